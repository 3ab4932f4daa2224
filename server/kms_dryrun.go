package server

import (
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

// ignoresCiphertext reports whether a dry run asks for the right alone, whatever
// ciphertext there is or is not. Without DryRun the modifier means nothing.
func ignoresCiphertext(dryRun *bool, modifiers []kmsapi.DryRunModifierType) bool {
	return api.Value(dryRun) && slices.Contains(modifiers, kmsapi.DryRunModifierTypeIgnoreCiphertext)
}

// namedKey is ciphertextKey for a dry run that ignores the ciphertext: a key that
// is named is enough.
func namedKey(s *Server, c *call, tx kms.Tx, ciphertext []byte, algorithm string, named *string) (*kms.Key, error) {
	if named == nil && ciphertext == nil {
		return nil, nullMember("keyId")
	}
	if named == nil {
		return ciphertextKey(s, c, tx, ciphertext, algorithm, named)
	}
	return s.KMS.Resolve(c.ctx, tx, c.region, *named)
}
