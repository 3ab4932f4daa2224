package kms_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/kms"
)

// unhex is a byte string that stands as hex in the vectors.
type unhex []byte

func (u *unhex) UnmarshalText(text []byte) (err error) {
	*u, err = hex.DecodeString(string(text))
	return err
}

type messageVector struct {
	Name                       string
	KeyID                      string
	Number                     uint32
	BackingKey, Nonce, IV      unhex
	Plaintext                  unhex
	Context                    map[string]string
	Header, MessageKey         unhex
	AdditionalData, Ciphertext unhex
	MaterialID                 string
}

type sealVector struct {
	Name                  string
	SealingKey, Nonce, IV unhex
	Secret                unhex
	Purpose               string
	MessageKey, Sealed    unhex
}

func vectors(t testing.TB) (v struct {
	Messages []messageVector
	Sealed   []sealVector
}) {
	t.Helper()
	text, err := os.ReadFile("testdata/ciphertext.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Messages) < 8 || len(v.Sealed) < 2 {
		t.Fatal("vectors are missing")
	}
	return v
}

// knownKey is a backing key whose value the test knows, which no token's is.
type knownKey []byte

func (k knownKey) MAC(_ context.Context, _ hsm.Key, data []byte) ([]byte, error) {
	m := hmac.New(sha256.New, k)
	m.Write(data)
	return m.Sum(nil), nil
}

func TestCiphertextVectors(t *testing.T) {
	for _, v := range vectors(t).Messages {
		t.Run(v.Name, func(t *testing.T) {
			header := kms.AppendHeader(nil, v.KeyID, v.Number, v.Nonce)
			if !bytes.Equal(header, v.Header) {
				t.Errorf("header %x, want %x", header, v.Header)
			}
			key, err := kms.Derive(knownKey(v.BackingKey), kms.LabelMessageKey, header)
			if err != nil || !bytes.Equal(key, v.MessageKey) {
				t.Errorf("message key %x (%v), want %x", key, err, v.MessageKey)
			}
			if aad := kms.AppendContext(header, v.Context); !bytes.Equal(aad, v.AdditionalData) {
				t.Errorf("additional data %x, want %x", aad, v.AdditionalData)
			}
			id, err := kms.Derive(knownKey(v.BackingKey), kms.LabelMaterialID, nil)
			if err != nil || hex.EncodeToString(id) != v.MaterialID {
				t.Errorf("material id %x (%v), want %s", id, err, v.MaterialID)
			}
			s, k := kms.WithKnownKey(knownKey(v.BackingKey), v.KeyID, v.Number, append(append([]byte(nil), v.Nonce...), v.IV...))
			blob, err := s.Encrypt(t.Context(), k, v.Plaintext, v.Context)
			if err != nil || !bytes.Equal(blob, v.Ciphertext) {
				t.Errorf("ciphertext %x (%v), want %x", blob, err, v.Ciphertext)
			}
			plaintext, material, err := s.Decrypt(t.Context(), k, v.Ciphertext, v.Context)
			if err != nil || !bytes.Equal(plaintext, v.Plaintext) || material != v.MaterialID {
				t.Errorf("decrypted %x under %s (%v), want %x under %s", plaintext, material, err, v.Plaintext, v.MaterialID)
			}
		})
	}
}

func TestSealVectors(t *testing.T) {
	for _, v := range vectors(t).Sealed {
		t.Run(v.Name, func(t *testing.T) {
			s, _ := kms.WithKnownKey(knownKey(v.SealingKey), "1234abcd-12ab-34cd-56ef-1234567890ab", 1, append(append([]byte(nil), v.Nonce...), v.IV...))
			sealed, err := s.Seal(t.Context(), v.Purpose, v.Secret)
			if err != nil || !bytes.Equal(sealed, v.Sealed) {
				t.Errorf("sealed %x (%v), want %x", sealed, err, v.Sealed)
			}
			secret, err := s.Unseal(t.Context(), v.Purpose, v.Sealed)
			if err != nil || !bytes.Equal(secret, v.Secret) {
				t.Errorf("unsealed %x (%v), want %x", secret, err, v.Secret)
			}
			if _, err := s.Unseal(t.Context(), v.Purpose+"x", v.Sealed); !errors.Is(err, kms.ErrSealed) {
				t.Errorf("another purpose: %v", err)
			}
		})
	}
}

// TestEveryByteCounts: a ciphertext with any bit changed, or of any other
// length, does not open, and all of them are answered alike.
func TestEveryByteCounts(t *testing.T) {
	v := vectors(t).Messages[2]
	s, k := kms.WithKnownKey(knownKey(v.BackingKey), v.KeyID, v.Number, make([]byte, 28))
	refused := func(what string, blob []byte, context map[string]string) {
		t.Helper()
		if _, _, err := s.Decrypt(t.Context(), k, blob, context); err != kms.ErrInvalidCiphertext {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range v.Ciphertext {
		for bit := range 8 {
			blob := bytes.Clone(v.Ciphertext)
			blob[i] ^= 1 << bit
			refused("changed byte", blob, v.Context)
		}
		refused("cut", v.Ciphertext[:i], v.Context)
	}
	refused("longer", append(bytes.Clone(v.Ciphertext), 0), v.Context)
	refused("no context", v.Ciphertext, nil)
	moved := map[string]string{"dept": "it", "zone": "bempty key"}
	refused("other context", v.Ciphertext, moved)
}

func FuzzCiphertext(f *testing.F) {
	v := vectors(f)
	for _, m := range v.Messages {
		f.Add([]byte(m.Ciphertext))
	}
	m := v.Messages[0]
	s, k := kms.WithKnownKey(knownKey(m.BackingKey), m.KeyID, m.Number, make([]byte, 28))
	known := make(map[string]bool)
	for _, m := range v.Messages {
		known[string(m.Ciphertext)] = true
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		id, err := kms.CiphertextKeyID(blob)
		if err == nil && !kms.ValidKeyID(id) {
			t.Errorf("key id %q", id)
		}
		if _, _, err := s.Decrypt(t.Context(), k, blob, nil); err == nil && !known[string(blob)] {
			t.Errorf("opened what was never encrypted: %x", blob)
		}
	})
}

func TestKeyIDForms(t *testing.T) {
	for id, want := range map[string]bool{
		"1234abcd-12ab-34cd-56ef-1234567890ab":  true,
		"mrk-1234abcd12ab34cd56ef1234567890ab":  true,
		"1234ABCD-12ab-34cd-56ef-1234567890ab":  false,
		"1234abcd12ab34cd56ef1234567890ab":      false,
		"1234abcd-12ab-34cd-56ef-1234567890a":   false,
		"1234abcd-12ab-34cd-56ef-1234567890abc": false,
		"1234abcd-12ab-34cd-56ef1-234567890ab":  false,
		"------------------------------------":  false,
		"mrk-":                                  false, "": false, strings.Repeat("a", 36): false,
	} {
		if got := kms.ValidKeyID(id); got != want {
			t.Errorf("%q: %t", id, got)
		}
	}
}
