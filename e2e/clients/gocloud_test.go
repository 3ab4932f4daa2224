package clients_test

import (
	"testing"

	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms" // the awskms scheme
)

func TestGoCloud(t *testing.T) {
	key := newKey(t)
	actAs(t, "kms:Encrypt", "kms:Decrypt")
	ctx := t.Context()
	open := func(purpose string) *secrets.Keeper {
		keeper, err := secrets.OpenKeeper(ctx, "awskms:///"+key+"?context_purpose="+purpose)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = keeper.Close() })
		return keeper
	}

	sealed, err := open("backup").Encrypt(ctx, []byte("attack at dawn"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := open("backup").Decrypt(ctx, sealed); err != nil || string(plain) != "attack at dawn" {
		t.Errorf("Decrypt: %q, %v", plain, err)
	}
	_, err = open("restore").Decrypt(ctx, sealed)
	refused(t, err, "InvalidCiphertextException")

	disable(t, key)
	_, err = open("backup").Decrypt(ctx, sealed)
	refused(t, err, "DisabledException")
}
