package kms

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/hsm"
)

// The layout of docs/spec/import-token.md.
const (
	importVersion  = 1
	importPurpose  = "import-token:" // and the key's ARN
	maxImportField = 1 << 12

	// importLife is how long AWS's import tokens are good.
	importLife = 24 * time.Hour
)

// Wrapping algorithms, in AWS's words, by their number in import tokens.
var wrappings = map[byte]string{
	1: "RSAES_OAEP_SHA_1",
	2: "RSAES_OAEP_SHA_256",
	3: "RSA_AES_KEY_WRAP_SHA_1",
	4: "RSA_AES_KEY_WRAP_SHA_256",
}

// An importToken is what the token sealed for GetParametersForImport says.
type importToken struct {
	algorithm string
	notAfter  time.Time
	domain    string
	wrapped   []byte // the transport key
	public    []byte // SubjectPublicKeyInfo
}

// encode writes the layout.
func (t *importToken) encode() []byte {
	b := []byte{importVersion, 0}
	for number, name := range wrappings {
		if name == t.algorithm {
			b[1] = number
		}
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.notAfter.UnixMilli()))
	for _, field := range [][]byte{[]byte(t.domain), t.wrapped, t.public} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(field)))
		b = append(b, field...)
	}
	return b
}

var errImportToken = errors.New("import token: malformed")

// parseImportToken is the reverse. It keeps references into b.
func parseImportToken(b []byte) (*importToken, error) {
	if len(b) < 10 || b[0] != importVersion || wrappings[b[1]] == "" {
		return nil, errImportToken
	}
	milli := binary.BigEndian.Uint64(b[2:10])
	if milli > 1<<53 {
		return nil, errImportToken
	}
	t := &importToken{algorithm: wrappings[b[1]], notAfter: time.UnixMilli(int64(milli)).UTC()}
	rest := b[10:]
	var domain []byte
	for _, field := range []*[]byte{&domain, &t.wrapped, &t.public} {
		if len(rest) < 2 {
			return nil, errImportToken
		}
		n := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; n == 0 || n > maxImportField || n > len(rest) {
			return nil, errImportToken
		}
		*field, rest = rest[:n], rest[n:]
	}
	if t.domain = string(domain); len(rest) > 0 || len(domain) > 255 {
		return nil, errImportToken
	}
	if _, err := t.rsa(); err != nil {
		return nil, err
	}
	return t, nil
}

// rsa is the public half of the transport key.
func (t *importToken) rsa() (*rsa.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(t.public)
	if err != nil {
		return nil, errImportToken
	}
	pub, ok := public.(*rsa.PublicKey)
	if !ok || specOfPublic(pub) == "" {
		return nil, errImportToken
	}
	return pub, nil
}

// transport names the private half for the token.
func (t *importToken) transport() (hsm.Key, *rsa.PublicKey, error) {
	pub, err := t.rsa()
	if err != nil {
		return hsm.Key{}, nil, err
	}
	return hsm.Key{Type: specs[specOfPublic(pub)].kind, Use: hsm.Transport, Domain: t.domain, Wrapped: t.wrapped}, pub, nil
}

// sealImportToken makes the token that only the key of that ARN takes back.
func (s *Service) sealImportToken(ctx context.Context, k *Key, t *importToken) ([]byte, error) {
	return s.Seal(ctx, importPurpose+k.ARN(), t.encode())
}

// openImportToken refuses tokens that are not the key's, and those whose time is
// over.
func (s *Service) openImportToken(ctx context.Context, k *Key, sealed []byte) (*importToken, error) {
	b, err := s.Unseal(ctx, importPurpose+k.ARN(), sealed)
	if errors.Is(err, ErrSealed) {
		return nil, refuse(CodeInvalidImportToken, "The import token is invalid or is associated with a different KMS key.")
	}
	if err != nil {
		return nil, err
	}
	t, err := parseImportToken(b)
	if err != nil {
		return nil, refuse(CodeInvalidImportToken, "The import token is of another version.")
	}
	if !s.now().Before(t.notAfter) {
		return nil, refuse(CodeExpiredImportToken, "The import token has expired. Call GetParametersForImport for a new one.")
	}
	return t, nil
}
