package pkcs11

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
)

// A token without a mechanism refuses what needs it, and says its name.
func TestMissingMechanism(t *testing.T) {
	tests := map[kind][]string{
		{hsm.HMACSHA384, 0}:          {"CKM_GENERIC_SECRET_KEY_GEN", "CKM_SHA384_HMAC"},
		{hsm.RSA3072, hsm.Decrypt}:   {"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_X_509"},
		{hsm.RSA2048, hsm.Transport}: {"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS_OAEP", "CKM_RSA_X_509"},
		{hsm.RSA4096, hsm.Sign}:      {"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS"},
		{hsm.P384, hsm.Derive}:       {"CKM_ECDH1_DERIVE", "CKM_EC_KEY_PAIR_GEN"},
		{hsm.Secp256k1, hsm.Sign}:    {"CKM_ECDSA", "CKM_EC_KEY_PAIR_GEN"},
		{hsm.Ed25519, hsm.Sign}:      {"CKM_EC_EDWARDS_KEY_PAIR_GEN", "CKM_EDDSA"},
	}
	for k, all := range tests {
		slices.Sort(all)
		if err := k.makeable(hsm.Capabilities{Mechanisms: all}); err != nil {
			t.Errorf("%v, with all it needs: %v", k, err)
		}
		for i, missing := range all {
			err := k.makeable(hsm.Capabilities{Mechanisms: slices.Delete(slices.Clone(all), i, i+1)})
			if !errors.Is(err, hsm.ErrUnsupported) || !strings.Contains(err.Error(), missing) {
				t.Errorf("%v, without %s: %v", k, missing, err)
			}
		}
	}
}
