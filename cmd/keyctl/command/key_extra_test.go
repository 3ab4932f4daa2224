package command_test

import (
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

func TestTags(t *testing.T) {
	appliance(t)
	key := newKey(t, "--alias", "app", "--tag", "b=2", "--tag", "a=1")
	if got := ok(t, "", "tag", "list", "alias/app"); got != "a=1 b=2\n" {
		t.Errorf("got %q", got)
	}
	if got := ok(t, "", "tag", "add", "alias/app", "a=x=y", "c="); got != "a=x=y b=2 c=\n" {
		t.Errorf("got %q", got)
	}
	ok(t, "", "tag", "remove", key, "a", "c")
	wantJSON(t, ok(t, "", "tag", "list", key, "-o", "json"), `{"KeyId":"`+key+`","Tags":[{"TagKey":"b","TagValue":"2"}]}`)
	fails(t, 2, "", []string{"tag", "add", key, "aws:x=1"}, "(TagException)", "aws:")
	fails(t, 2, "", []string{"tag", "add", key, "x"}, "NAME=VALUE")
	fails(t, 2, "", []string{"tag", "add", key, "x=1", "x=2"}, "given twice")
	ok(t, "", "tag", "remove", key, "b")
	if got := ok(t, "", "tag", "list", key); got != "-\n" {
		t.Errorf("got %q", got)
	}
}

func TestRotation(t *testing.T) {
	appliance(t)
	key := newKey(t, "--alias", "app")
	holds(t, ok(t, "", "rotate", "status", "alias/app"), "rotation   off")
	holds(t, ok(t, "", "rotate", "enable", "alias/app", "--period", "26w"), "is rotated every 182 days")
	holds(t, ok(t, "", "rotate", "status", key), "rotation   every 182 days", "next       20")
	holds(t, ok(t, "", "rotate", "disable", key), "no longer rotated")
	ciphertext := ok(t, "secret", "encrypt", "--key", key)
	holds(t, ok(t, "", "rotate", "now", "alias/app"), "rotated")
	list := answer[struct{ Rotations []map[string]string }](t, "rotate", "list", key)
	if len(list.Rotations) != 1 || list.Rotations[0]["RotationType"] != "ON_DEMAND" {
		t.Errorf("got %v", list)
	}
	if all := answer[struct{ Rotations []map[string]string }](t, "rotate", "list", key, "--all"); len(all.Rotations) != 2 {
		t.Errorf("got %v", all)
	}
	if got := ok(t, ciphertext, "decrypt"); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	for _, period := range []string{"89d", "2561d", "100h", "0", "x", "1y"} {
		fails(t, 2, "", []string{"rotate", "enable", key, "--period", period}, "must be ")
	}
	fails(t, 1, "", []string{"rotate", "enable", newKey(t, "--spec", "HMAC_256")}, "(UnsupportedOperationException)")
}

func TestKeyUsage(t *testing.T) {
	appliance(t)
	key := newKey(t)
	holds(t, ok(t, "", "key", "usage", key), "last used        never")
	ok(t, "x", "encrypt", "--key", key)
	doc := answer[struct {
		KeyLastUsage struct{ Operation, CloudTrailEventID string }
	}](t, "key", "usage", key)
	if doc.KeyLastUsage.Operation != "Encrypt" {
		t.Errorf("got %v", doc)
	}
	holds(t, ok(t, "", "key", "describe", key), "last used     20", "(Encrypt)")
}

func TestReplicas(t *testing.T) {
	appliance(t, testkit.WithRegions("local-1", "eu-west-1"))
	key := newKey(t, "--multi-region", "--alias", "shared")
	if !strings.Contains(key, ":key/mrk-") {
		t.Fatalf("made %s", key)
	}
	replica := answer[struct {
		ARN                      string `json:"Arn"`
		MultiRegionConfiguration struct{ MultiRegionKeyType string }
	}](t, "replicate", "alias/shared", "--to", "eu-west-1", "--description", "copy", "--tag", "a=b")
	if replica.ARN != strings.ReplaceAll(key, "local-1", "eu-west-1") || replica.MultiRegionConfiguration.MultiRegionKeyType != "REPLICA" {
		t.Errorf("got %v", replica)
	}
	ciphertext := ok(t, "secret", "encrypt", "--key", key)
	if got := ok(t, ciphertext, "decrypt", "--region", "eu-west-1", "--key", replica.ARN); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	holds(t, ok(t, "", "key", "describe", key), "multi-region   PRIMARY, replicas in eu-west-1")
	holds(t, ok(t, "", "key", "describe", replica.ARN, "--region", "eu-west-1"), "REPLICA, primary in local-1", "description    copy")
	holds(t, ok(t, "", "key", "primary", "alias/shared", "eu-west-1"), "the primary is in eu-west-1 now")
	holds(t, ok(t, "", "key", "describe", key), "REPLICA, primary in eu-west-1")
	fails(t, 7, "", []string{"replicate", replica.ARN, "--region", "eu-west-1", "--to", "local-1"}, "(AlreadyExistsException)")
	fails(t, 1, "", []string{"replicate", newKey(t), "--to", "eu-west-1"}, "(UnsupportedOperationException)")
}

// TestKeyCreateSaysWhatFor: where a spec has several uses, one must be chosen.
func TestKeyCreateSaysWhatFor(t *testing.T) {
	s := serve(t, map[string]any{"CreateKey": described("Enabled")})
	for spec, usage := range map[string]string{
		"HMAC_512": "GENERATE_VERIFY_MAC", "ECC_SECG_P256K1": "SIGN_VERIFY", "ECC_NIST_EDWARDS25519": "SIGN_VERIFY",
		"ML_DSA_65": "SIGN_VERIFY", "ML_KEM_768": "ENCAPSULATE_DECAPSULATE", "SYMMETRIC_DEFAULT": "ENCRYPT_DECRYPT",
	} {
		ok(t, "", "key", "create", "--spec", spec)
		if in := s.last(); in["KeyUsage"] != usage || in["KeySpec"] != spec {
			t.Errorf("%s: sent %v", spec, in)
		}
	}
	for spec, hint := range map[string]string{
		"RSA_2048": "--usage SIGN_VERIFY or --usage ENCRYPT_DECRYPT", "ECC_NIST_P521": "--usage SIGN_VERIFY or --usage KEY_AGREEMENT",
		"SM2": "or --usage KEY_AGREEMENT",
	} {
		fails(t, 2, "", []string{"key", "create", "--spec", spec}, "more than one use", hint)
	}
	fails(t, 2, "", []string{"key", "create", "--spec", "AES_256"}, "must be one of RSA_2048")
	fails(t, 2, "", []string{"key", "create", "--origin", "EXTERNAL_KEY_STORE"}, "must be one of AWS_KMS, EXTERNAL, AWS_CLOUDHSM")
}

func TestCompletionOfWords(t *testing.T) {
	isolate(t)
	for _, tc := range []struct {
		line []string
		want string
	}{
		{[]string{"key", "create", "--spec", ""}, "ECC_NIST_P384\n"}, {[]string{"key", "create", "--usage", ""}, "KEY_AGREEMENT\n"},
		{[]string{"sign", "--algorithm", ""}, "ED25519_SHA_512\n"}, {[]string{"public-key", "x", "--format", ""}, "jwk\n"},
		{[]string{"datakey", "--pair", ""}, "RSA_4096\n"}, {[]string{"grant", "create", "k", "--operations", ""}, "ReEncryptFrom\n"},
		{[]string{"encrypt", "--algorithm", ""}, "RSAES_OAEP_SHA_256\n"}, {[]string{"mac", "generate", "--algorithm", ""}, "HMAC_SHA_512\n"},
	} {
		if r := keyctl("", append([]string{"__complete"}, tc.line...)...); !strings.Contains(r.stdout, tc.want) {
			t.Errorf("%v: %q", tc.line, r.stdout)
		}
	}
}
