package server_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/internal/testkit"
)

// A watchedToken is the real one, of which is seen which keys were imported, and
// forgotten since.
type watchedToken struct {
	hsm.Token
	mu   sync.Mutex
	left []string // wrapped forms
}

func (w *watchedToken) Import(ctx context.Context, domain string, of hsm.KeyType, u hsm.Use, e hsm.Envelope) (wrapped, public []byte, err error) {
	wrapped, public, err = w.Token.Import(ctx, domain, of, u, e)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = append(w.left, string(wrapped))
	return wrapped, public, err
}

func (w *watchedToken) Forget(k hsm.Key) {
	w.Token.Forget(k)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = slices.DeleteFunc(w.left, func(wrapped string) bool { return wrapped == string(k.Wrapped) })
}

// TestRefusedImportLeavesNothing: no working copy of material that was opened and
// then refused stays in the token.
func TestRefusedImportLeavesNothing(t *testing.T) {
	watched := new(watchedToken)
	kit := testkit.Start(t, testkit.WithToken(func(token hsm.Token) hsm.Token { watched.Token = token; return watched }))
	i := &importer{t: t, kit: kit, c: kit.KMS(region)}
	id := i.symmetric()
	in := i.input(id, make([]byte, 32))
	in.ImportType = "EXISTING_KEY_MATERIAL"
	_, err := i.do(in)
	refusedAs(t, "other material", err, "IncorrectKeyMaterialException", "The key material is not the same key material that was previously imported into this KMS key.")
	if n := len(watched.left); n != 0 {
		t.Errorf("%d working copies of refused material", n)
	}
	in.ImportType = ""
	must(i.do(in))
	if n := len(watched.left); n != 1 {
		t.Errorf("%d working copies of material that was taken", n)
	}
	must(i.c.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &id}))
	if n := len(watched.left); n != 0 {
		t.Errorf("%d working copies of deleted material", n)
	}
}
