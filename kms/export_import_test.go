package kms

import "time"

// ParseImportToken reads a token that was unsealed.
var ParseImportToken = parseImportToken

// Encode writes the token's layout.
func (t *importToken) Encode() []byte { return t.encode() }

// NewImportToken makes a token as GetParametersForImport seals it.
func NewImportToken(algorithm string, notAfter time.Time, domain string, wrapped, public []byte) []byte {
	return (&importToken{algorithm: algorithm, notAfter: notAfter, domain: domain, wrapped: wrapped, public: public}).encode()
}
