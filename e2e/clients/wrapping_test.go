package clients_test

import (
	"testing"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/wrappers/awskms/v2"
)

// TestSeal does what a Vault or OpenBao server does with a seal "awskms": it
// wraps its root key, starts again, and unwraps.
func TestSeal(t *testing.T) {
	key := newKey(t)
	actAs(t, "kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")
	// aws-sdk-go v1 knows no AWS_ENDPOINT_URL; this name is the wrapper's own.
	t.Setenv("AWS_KMS_ENDPOINT", keyd.vars["AWS_ENDPOINT_URL"])
	ctx := t.Context()
	seal := func(id string) (wrapping.Wrapper, error) {
		w := awskms.NewWrapper()
		_, err := w.SetConfig(ctx, wrapping.WithKeyId(id))
		return w, err
	}

	w, err := seal(key)
	if err != nil {
		t.Fatal(err)
	}
	info, err := w.Encrypt(ctx, []byte("root key"), wrapping.WithAad([]byte("core")))
	if err != nil {
		t.Fatal(err)
	}
	if info.KeyInfo.KeyId != key {
		t.Errorf("sealed with %s, want %s", info.KeyInfo.KeyId, key)
	}
	again, err := seal(key)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Decrypt(ctx, info, wrapping.WithAad([]byte("core"))); err != nil || string(plain) != "root key" {
		t.Errorf("Decrypt: %q, %v", plain, err)
	}

	_, err = seal("alias/no-such-seal")
	refused(t, err, "NotFoundException")
	disable(t, key)
	_, err = again.Decrypt(ctx, info, wrapping.WithAad([]byte("core")))
	refused(t, err, "DisabledException")
	_, err = again.Encrypt(ctx, []byte("root key"))
	refused(t, err, "DisabledException")
}
