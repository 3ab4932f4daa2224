package kms

import "time"

// Inner workings of the import of key material.
var (
	WrapKey          = wrapKey
	ParseImportToken = parseImportToken
)

// Encode writes the token's layout.
func (t *importToken) Encode() []byte { return t.encode() }

// NewImportToken makes a token as GetParametersForImport seals it.
func NewImportToken(algorithm string, notAfter time.Time, domain string, wrapped, public []byte) []byte {
	return (&importToken{algorithm: algorithm, notAfter: notAfter, domain: domain, wrapped: wrapped, public: public}).encode()
}
