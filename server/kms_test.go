package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

const region = "eu-1"

// refused checks that err is AWS's refusal of that code, whose message contains
// text; an empty text wants an empty message.
func refused(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("%s: %v, want %s", what, err, code)
		return
	}
	message := e.ErrorMessage()
	if message == "UnknownError" { // what the SDK says when AWS says nothing
		message = ""
	}
	if e.ErrorCode() != code || !strings.Contains(message, text) || text == "" && message != "" {
		t.Errorf("%s: %s %q, want %s %q", what, e.ErrorCode(), message, code, text)
	}
}

func must[T any](out T, err error) T {
	if err != nil {
		panic(err)
	}
	return out
}

// inStates makes a key for each state and calls f with its id.
func inStates(t *testing.T, c *kms.Client, f func(state, id, arn string)) {
	t.Helper()
	ctx := t.Context()
	for _, state := range []string{"Enabled", "Disabled", "PendingDeletion"} {
		m := must(c.CreateKey(ctx, &kms.CreateKeyInput{})).KeyMetadata
		switch state {
		case "Disabled":
			must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: m.KeyId}))
		case "PendingDeletion":
			must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: m.KeyId}))
		}
		f(state, *m.KeyId, *m.Arn)
	}
}

// TestKeyStates is AWS's table "Key states of AWS KMS keys": what each state
// allows, and the exception where it does not.
func TestKeyStates(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	other := kit.NewKey(region)
	foreign := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &other, Plaintext: []byte("x")})).CiphertextBlob
	n := 0
	for name, op := range map[string]struct {
		call     func(id string) error
		disabled bool // DisabledException in state Disabled
		pending  bool // KMSInvalidStateException in state PendingDeletion
	}{
		"Encrypt": {func(id string) error {
			_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
			return err
		}, true, true},
		"GenerateDataKey": {func(id string) error {
			_, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})
			return err
		}, true, true},
		"GenerateDataKeyWithoutPlaintext": {func(id string) error {
			_, err := c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &id, KeySpec: types.DataKeySpecAes128})
			return err
		}, true, true},
		"ReEncrypt to": {func(id string) error {
			_, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: foreign, DestinationKeyId: &id})
			return err
		}, true, true},
		"DescribeKey": {func(id string) error {
			_, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
			return err
		}, false, false},
		"GetKeyPolicy": {func(id string) error {
			_, err := c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id})
			return err
		}, false, false},
		"ListKeyPolicies": {func(id string) error {
			_, err := c.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &id})
			return err
		}, false, false},
		"UpdateKeyDescription": {func(id string) error {
			_, err := c.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &id, Description: new("d")})
			return err
		}, false, true},
		"CreateAlias": {func(id string) error {
			n++
			_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{TargetKeyId: &id, AliasName: new(fmt.Sprintf("alias/n%d", n))})
			return err
		}, false, true},
		"EnableKey": {func(id string) error {
			_, err := c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id})
			return err
		}, false, true},
		"DisableKey": {func(id string) error {
			_, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
			return err
		}, false, true},
		"ScheduleKeyDeletion": {func(id string) error {
			_, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id})
			return err
		}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			inStates(t, c, func(state, id, arn string) {
				err := op.call(id)
				switch {
				case state == "Disabled" && op.disabled:
					refused(t, state, err, "DisabledException", arn+" is disabled.")
				case state == "PendingDeletion" && op.pending:
					refused(t, state, err, "KMSInvalidStateException", arn+" is pending deletion.")
				case err != nil:
					t.Errorf("%s: %v", state, err)
				}
			})
		})
	}
}

func TestDecryptInStates(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	blob := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})).CiphertextBlob
	decrypt := func() error {
		_, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		return err
	}
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id}))
	refused(t, "disabled", decrypt(), "DisabledException", "is disabled.")
	must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id}))
	refused(t, "pending", decrypt(), "KMSInvalidStateException", "is pending deletion.")
	must(c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id}))
	refused(t, "cancelled", decrypt(), "DisabledException", "is disabled.")
	_, err := c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id})
	refused(t, "cancelled twice", err, "KMSInvalidStateException", "is not pending deletion.")
	must(c.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}))
	if err := decrypt(); err != nil {
		t.Error(err)
	}
}

func TestEncryptDecrypt(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	m := must(c.CreateKey(ctx, &kms.CreateKeyInput{Description: new("d")})).KeyMetadata
	must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/a/b_c-d"), TargetKeyId: m.Arn}))
	context := map[string]string{"a": "1", "b": "2", "é": "ü"}
	for _, name := range []string{*m.KeyId, *m.Arn, "alias/a/b_c-d", "arn:aws:kms:eu-1:" + testkit.Account + ":alias/a/b_c-d"} {
		for _, size := range []int{1, 2, 4095, 4096} {
			plaintext := bytes.Repeat([]byte{7}, size)
			e := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &name, Plaintext: plaintext, EncryptionContext: context}))
			if *e.KeyId != *m.Arn || e.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
				t.Errorf("%s: key %s, %s", name, *e.KeyId, e.EncryptionAlgorithm)
			}
			d := must(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob, EncryptionContext: context, KeyId: &name}))
			if !bytes.Equal(d.Plaintext, plaintext) || *d.KeyId != *m.Arn || *d.KeyMaterialId != *m.CurrentKeyMaterialId {
				t.Errorf("%s: %d bytes decrypted to %d under %s", name, size, len(d.Plaintext), *d.KeyMaterialId)
			}
		}
	}
	_, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: make([]byte, 4097)})
	refused(t, "too long", err, "ValidationException",
		"1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x"), EncryptionContext: map[string]string{"k": strings.Repeat("v", 9000)}})
	refused(t, "long context", err, "ValidationException", "context")
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})
	refused(t, "algorithm", err, "InvalidKeyUsageException", "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.")
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: m.KeyId, Plaintext: []byte("x"), DryRun: new(true)})
	refused(t, "dry run", err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
}

func TestDecryptRefuses(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	one, two := kit.NewKey(region), kit.NewKey(region)
	blob := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &one, Plaintext: []byte("x"), EncryptionContext: map[string]string{"a": "1"}})).CiphertextBlob
	try := func(in *kms.DecryptInput) error {
		_, err := c.Decrypt(ctx, in)
		return err
	}
	right := map[string]string{"a": "1"}
	refused(t, "no context", try(&kms.DecryptInput{CiphertextBlob: blob}), "InvalidCiphertextException", "")
	refused(t, "other context", try(&kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "2"}}), "InvalidCiphertextException", "")
	refused(t, "garbage", try(&kms.DecryptInput{CiphertextBlob: []byte("garbage")}), "InvalidCiphertextException", "")
	refused(t, "other key", try(&kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: right, KeyId: &two}), "IncorrectKeyException",
		"The key ID in the request does not identify a CMK that can perform this operation.")
	refused(t, "none", try(&kms.DecryptInput{}), "ValidationException", "Value null at 'ciphertextBlob'")
	unknown := bytes.Clone(blob)
	unknown[5] ^= 1
	const closed = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
	refused(t, "unknown key", try(&kms.DecryptInput{CiphertextBlob: unknown, EncryptionContext: right}), "AccessDeniedException", closed)
	_, err := kit.KMS("us-9").Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: right})
	refused(t, "other region", err, "AccessDeniedException", closed)
}

func TestReEncrypt(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	from, to := kit.NewKey(region), kit.NewKey(region)
	old, fresh := map[string]string{"a": "1"}, map[string]string{"b": "2"}
	blob := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &from, Plaintext: []byte("secret"), EncryptionContext: old})).CiphertextBlob
	out := must(c.ReEncrypt(ctx, &kms.ReEncryptInput{
		CiphertextBlob: blob, SourceEncryptionContext: old, DestinationKeyId: &to, DestinationEncryptionContext: fresh,
	}))
	if !strings.HasSuffix(*out.SourceKeyId, from) || !strings.HasSuffix(*out.KeyId, to) || !strings.HasPrefix(*out.KeyId, "arn:aws:kms:eu-1:") {
		t.Errorf("from %s to %s", *out.SourceKeyId, *out.KeyId)
	}
	d := must(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: fresh}))
	if string(d.Plaintext) != "secret" {
		t.Errorf("got %q", d.Plaintext)
	}
	_, err := c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &to})
	refused(t, "context left out", err, "InvalidCiphertextException", "")
	_, err = c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: old, SourceKeyId: &to, DestinationKeyId: &to})
	refused(t, "wrong source key", err, "IncorrectKeyException", "does not identify")
	must(c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &from}))
	_, err = c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: old, DestinationKeyId: &to})
	refused(t, "source disabled", err, "DisabledException", from+" is disabled.")
}

func TestDataKeys(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	seen := make(map[string]bool)
	for name, in := range map[string]struct {
		in   kms.GenerateDataKeyInput
		size int
	}{
		"AES_256": {kms.GenerateDataKeyInput{KeySpec: types.DataKeySpecAes256}, 32},
		"AES_128": {kms.GenerateDataKeyInput{KeySpec: types.DataKeySpecAes128}, 16},
		"1":       {kms.GenerateDataKeyInput{NumberOfBytes: new(int32(1))}, 1},
		"1024":    {kms.GenerateDataKeyInput{NumberOfBytes: new(int32(1024))}, 1024},
	} {
		in.in.KeyId, in.in.EncryptionContext = &id, map[string]string{"a": "1"}
		out := must(c.GenerateDataKey(ctx, &in.in))
		d := must(c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: in.in.EncryptionContext}))
		if len(out.Plaintext) != in.size || !bytes.Equal(d.Plaintext, out.Plaintext) {
			t.Errorf("%s: %d bytes", name, len(out.Plaintext))
		}
		if in.size >= 16 && seen[string(out.Plaintext)] {
			t.Errorf("%s: the same data key twice", name)
		}
		seen[string(out.Plaintext)] = true
	}
	_, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &id})
	refused(t, "neither", err, "ValidationException", "Please specify either number of bytes or key spec.")
	_, err = c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes128, NumberOfBytes: new(int32(16))})
	refused(t, "both", err, "ValidationException", "Please specify either number of bytes or key spec.")
	_, err = c.GenerateRandom(ctx, &kms.GenerateRandomInput{})
	refused(t, "random of no length", err, "ValidationException", "NumberOfBytes is required.")
	if r := must(c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: new(int32(1024))})); len(r.Plaintext) != 1024 {
		t.Errorf("%d random bytes", len(r.Plaintext))
	}
}

func TestKeyReferences(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	const absent = "1234abcd-12ab-34cd-56ef-1234567890ab"
	prefix := "arn:aws:kms:eu-1:" + testkit.Account + ":"
	for ref, want := range map[string][2]string{
		absent:                                 {"NotFoundException", "Key '" + prefix + "key/" + absent + "' does not exist"},
		prefix + "key/" + absent:               {"NotFoundException", "Key '" + prefix + "key/" + absent + "' does not exist"},
		"mrk-d3b95762d3b95762d3b95762d3b95762": {"NotFoundException", "mrk-d3b95762d3b95762d3b95762d3b95762' does not exist"},
		"fake-key-id":                          {"NotFoundException", "Invalid keyId 'fake-key-id'"},
		"134f2428cec14b25a1ae9048164dba47":     {"NotFoundException", "Invalid keyId '134f2428cec14b25a1ae9048164dba47'"},
		"mrk-fake-key-id":                      {"NotFoundException", "Invalid keyId 'mrk-fake-key-id'"},
		"alias/none":                           {"NotFoundException", "Alias " + prefix + "alias/none is not found."},
		"arn:aws:kms:us-9:" + testkit.Account + ":key/" + absent:   {"NotFoundException", "Invalid arn us-9"},
		"arn:aws:sns:eu-1:" + testkit.Account + ":key/" + absent:   {"InvalidArnException", "Invalid arn"},
		"arn:aws:kms:eu-1:" + testkit.Account + ":queue/" + absent: {"InvalidArnException", "Invalid arn"},
		"arn:aws:kms": {"InvalidArnException", "Invalid arn"},
		"arn:aws:kms:eu-1:999999999999:key/" + absent: {"NotFoundException", ""},
		strings.Repeat("x", 2049):                     {"ValidationException", "Member must have length less than or equal to 2048"},
	} {
		_, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &ref})
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != want[0] || !strings.Contains(e.ErrorMessage(), want[1]) {
			t.Errorf("%.80s: %v, want %v", ref, err, want)
		}
	}
	id := kit.NewKey(region)
	must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/a"), TargetKeyId: &id}))
	_, err := c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: new("alias/a")})
	refused(t, "alias for a key id", err, "NotFoundException", "Invalid keyId 'alias/a'")
	_, err = kit.KMS("us-9").DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	refused(t, "key of another region", err, "NotFoundException", "does not exist")
}

func TestAliases(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	one, two := kit.NewKey(region), kit.NewKey(region)
	create := func(name, target string) error {
		_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &target})
		return err
	}
	refused(t, "no prefix", create("foo", one), "ValidationException", `Alias must start with the prefix "alias/". Please see`)
	refused(t, "reserved", create("alias/aws/s3", one), "NotAuthorizedException", "")
	refused(t, "empty", create("alias/", one), "InvalidAliasNameException", "empty")
	refused(t, "character", create("alias/a b", one), "ValidationException", "regular expression pattern")
	refused(t, "alias of an alias", create("alias/a", "alias/b"), "ValidationException", "Aliases must refer to keys. Not aliases")
	if err := create("alias/a", one); err != nil {
		t.Fatal(err)
	}
	refused(t, "twice", create("alias/a", two), "AlreadyExistsException",
		"An alias with the name arn:aws:kms:eu-1:"+testkit.Account+":alias/a already exists")
	must(c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: new("alias/a"), TargetKeyId: &two}))
	if d := must(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: new("alias/a")})); *d.KeyMetadata.KeyId != two {
		t.Errorf("alias points at %s", *d.KeyMetadata.KeyId)
	}
	_, err := c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: new("alias/none"), TargetKeyId: &two})
	refused(t, "update of none", err, "NotFoundException", "alias/none is not found.")
	if l := must(c.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &one})); len(l.Aliases) != 0 {
		t.Errorf("aliases of the old key: %d", len(l.Aliases))
	}
	must(c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: new("alias/a")}))
	_, err = c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: new("alias/a")})
	refused(t, "deleted twice", err, "NotFoundException", "alias/a is not found.")
	for i := range 50 {
		if err := create(fmt.Sprintf("alias/%02d", i), one); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "51st", create("alias/50", one), "LimitExceededException", "50 aliases")
}

// TestPages: pages of every size give every entry once, in order, also when
// entries come and go between them.
func TestPages(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	var want []string
	for range 7 {
		want = append(want, kit.NewKey(region))
	}
	slices.Sort(want)
	for limit := int32(1); limit <= 8; limit++ {
		var got []string
		p := kms.NewListKeysPaginator(c, &kms.ListKeysInput{Limit: &limit})
		for p.HasMorePages() {
			for _, k := range must(p.NextPage(ctx)).Keys {
				got = append(got, *k.KeyId)
				if *k.KeyArn != "arn:aws:kms:eu-1:"+testkit.Account+":key/"+*k.KeyId {
					t.Errorf("ARN %s", *k.KeyArn)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v", limit, got)
		}
	}
	for i := range 5 {
		must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new(fmt.Sprintf("alias/%d", i)), TargetKeyId: &want[i%2]}))
	}
	first := must(c.ListAliases(ctx, &kms.ListAliasesInput{Limit: new(int32(2))}))
	must(c.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: new("alias/1")}))
	rest := must(c.ListAliases(ctx, &kms.ListAliasesInput{Marker: first.NextMarker}))
	if len(first.Aliases) != 2 || !first.Truncated || len(rest.Aliases) != 3 || *rest.Aliases[0].AliasName != "alias/2" || rest.Truncated {
		t.Errorf("pages %d and %d", len(first.Aliases), len(rest.Aliases))
	}
	for _, marker := range []string{"x", "!!!", "azE6"} {
		_, err := c.ListKeys(ctx, &kms.ListKeysInput{Marker: &marker})
		refused(t, "marker "+marker, err, "InvalidMarkerException", "marker")
	}
	_, err := c.ListAliases(ctx, &kms.ListAliasesInput{KeyId: new("alias/0")})
	refused(t, "aliases of an alias", err, "NotFoundException", "Invalid keyId")
}

func TestDeletionWindows(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	for days, ok := range map[int32]bool{1: false, 6: false, 7: true, 30: true, 31: false, 365: false} {
		id := kit.NewKey(region)
		out, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: &days})
		if !ok {
			refused(t, fmt.Sprint(days), err, "ValidationException", "PendingWindowInDays must be between 7 and 30")
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if *out.PendingWindowInDays != days || out.KeyState != types.KeyStatePendingDeletion || !strings.HasPrefix(*out.KeyId, "arn:") {
			t.Errorf("%d days: %+v", days, out)
		}
		if left := out.DeletionDate.Sub(kit.Now()); left < time.Duration(days)*24*time.Hour-time.Minute || left > time.Duration(days)*24*time.Hour {
			t.Errorf("%d days: deletion in %s", days, left)
		}
	}
	_, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: new(kit.NewKey(region)), PendingWindowInDays: new(int32(0))})
	refused(t, "0", err, "ValidationException", "Value '0' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 1")
	out := must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: new(kit.NewKey(region))}))
	if *out.PendingWindowInDays != 30 {
		t.Errorf("default window of %d days", *out.PendingWindowInDays)
	}
}

// TestSweep: when its window has ended a key is gone for good, with its aliases,
// and one event says so; keys that are kept are left alone.
func TestSweep(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	gone, kept, cancelled := kit.NewKey(region), kit.NewKey(region), kit.NewKey(region)
	blob := must(c.Encrypt(ctx, &kms.EncryptInput{KeyId: &gone, Plaintext: []byte("x")})).CiphertextBlob
	must(c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: new("alias/gone"), TargetKeyId: &gone}))
	for _, id := range []string{gone, cancelled} {
		must(c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: new(int32(7))}))
	}
	must(c.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &cancelled}))
	sweep := func(after time.Duration) {
		kit.Offset.Store(int64(after))
		if err := kit.Server.Sweep(context.WithoutCancel(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	sweep(7*24*time.Hour - time.Minute)
	if d := must(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &gone})); d.KeyMetadata.KeyState != types.KeyStatePendingDeletion {
		t.Errorf("a minute before: %s", d.KeyMetadata.KeyState)
	}
	before := kit.Log.Size()
	sweep(7*24*time.Hour + time.Minute)
	events := kit.Events(before)
	if len(events) != 1 || !bytes.Contains(events[0], []byte(`"eventName":"DeleteKey"`)) || !bytes.Contains(events[0], []byte(gone)) {
		t.Errorf("events %s", events)
	}
	_, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &gone})
	refused(t, "the key", err, "NotFoundException", "does not exist")
	_, err = c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: new("alias/gone")})
	refused(t, "its alias", err, "NotFoundException", "alias/gone is not found.")
	_, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	refused(t, "its ciphertext", err, "AccessDeniedException", "does not exist")
	for _, id := range []string{kept, cancelled} {
		must(c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id}))
	}
}

func TestKeyPolicies(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	id := kit.NewKey(region)
	got := must(c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id}))
	if !strings.Contains(*got.Policy, "arn:aws:iam::"+testkit.Account+":root") || *got.PolicyName != "default" {
		t.Errorf("policy %s", *got.Policy)
	}
	put := func(policy string) error {
		_, err := c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &id, Policy: &policy})
		return err
	}
	again := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + testkit.Account + `"},"Action":"kms:*","Resource":"*"}}`
	if err := put(again); err != nil {
		t.Error(err)
	}
	if got := must(c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id})); *got.Policy != again {
		t.Errorf("policy %s", *got.Policy)
	}
	const syntax, lockout = "Syntax errors in policy.", "The new key policy will not allow you to update the key policy in the future."
	narrow := strings.Replace(again, "kms:*", "kms:Encrypt", 1)
	refused(t, "locked out", put(narrow), "MalformedPolicyDocumentException", lockout)
	refused(t, "empty statements", put(`{"Statement":[{},{}]}`), "MalformedPolicyDocumentException", syntax)
	refused(t, "two effects", put(strings.Replace(again, `"Effect":"Allow"`, `"Effect":"Deny","effect":"Allow"`, 1)), "MalformedPolicyDocumentException", syntax)
	refused(t, "not JSON", put("{"), "MalformedPolicyDocumentException", syntax)
	refused(t, "too long", put(again+strings.Repeat(" ", 40_000)), "LimitExceededException", "32768")
	refused(t, "nobody", put(strings.Replace(again, testkit.Account+`"}`, "arn:aws:iam::"+testkit.Account+`:user/none"}`, 1)),
		"MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")
	if got := must(c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id})); *got.Policy != again {
		t.Errorf("a refused policy was kept: %s", *got.Policy)
	}
	_, err := c.CreateKey(ctx, &kms.CreateKeyInput{Policy: &narrow})
	refused(t, "locked out at creation", err, "MalformedPolicyDocumentException", lockout)
	made := must(c.CreateKey(ctx, &kms.CreateKeyInput{Policy: &narrow, BypassPolicyLockoutSafetyCheck: true}))
	_, err = c.DisableKey(ctx, &kms.DisableKeyInput{KeyId: made.KeyMetadata.KeyId})
	refused(t, "the root user without the policy", err, "AccessDeniedException",
		"is not authorized to perform: kms:DisableKey on resource: "+*made.KeyMetadata.Arn+" because no resource-based policy allows the kms:DisableKey action")
	_, err = c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id, PolicyName: new("other")})
	refused(t, "other name", err, "NotFoundException", "No such policy exists")
	if l := must(c.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &id})); !slices.Equal(l.PolicyNames, []string{"default"}) {
		t.Errorf("names %v", l.PolicyNames)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := kit.KMS(region), t.Context()
	for name, tc := range map[string]struct {
		in         kms.CreateKeyInput
		code, text string
	}{
		"no usage":         {kms.CreateKeyInput{KeySpec: types.KeySpecHmac256}, "ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		"wrong usage":      {kms.CreateKeyInput{KeyUsage: types.KeyUsageTypeSignVerify}, "ValidationException", "SIGN_VERIFY"},
		"origin":           {kms.CreateKeyInput{Origin: types.OriginTypeExternalKeyStore}, "UnsupportedOperationException", "EXTERNAL_KEY_STORE"},
		"unknown spec":     {kms.CreateKeyInput{KeySpec: "HMAC_random"}, "ValidationException", "Value 'HMAC_random' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: ["},
		"tag twice":        {kms.CreateKeyInput{Tags: []types.Tag{{TagKey: new("a"), TagValue: new("1")}, {TagKey: new("a"), TagValue: new("2")}}}, "TagException", "Duplicate"},
		"reserved tag":     {kms.CreateKeyInput{Tags: []types.Tag{{TagKey: new("aws:x"), TagValue: new("1")}}}, "TagException", "aws:"},
		"long description": {kms.CreateKeyInput{Description: new(strings.Repeat("d", 8193))}, "ValidationException", "8192"},
	} {
		_, err := c.CreateKey(ctx, &tc.in)
		refused(t, name, err, tc.code, tc.text)
	}
	if l := must(c.ListKeys(ctx, &kms.ListKeysInput{})); len(l.Keys) != 0 {
		t.Errorf("%d keys were made", len(l.Keys))
	}
}
