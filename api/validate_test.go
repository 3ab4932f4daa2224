package api_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
)

const (
	one = "1 validation error detected: "
	two = "2 validation errors detected: "
)

func TestValidate(t *testing.T) {
	key := new("k")
	for _, c := range []struct {
		in   any
		want string // empty: valid
	}{
		{&kmsapi.EncryptRequest{KeyId: key, Plaintext: []byte{1}}, ""},
		{&iamapi.GetAccountSummaryRequest{}, ""},
		{&kmsapi.DescribeKeyRequest{}, one + "Value null at 'keyId' failed to satisfy constraint: Member must not be null"},
		{&kmsapi.DescribeKeyRequest{KeyId: new("")},
			one + "Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{&kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(1025))},
			one + "Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		{&kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(0))},
			one + "Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{&kmsapi.GenerateMacRequest{KeyId: key, Message: []byte{1}, MacAlgorithm: new(kmsapi.MacAlgorithmSpec("INVALID"))},
			one + "Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: " +
				"[HMAC_SHA_224, HMAC_SHA_256, HMAC_SHA_384, HMAC_SHA_512]"},
		{&kmsapi.CreateAliasRequest{AliasName: new("alias/a b"), TargetKeyId: key},
			one + "Value 'alias/a b' at 'aliasName' failed to satisfy constraint: " +
				"Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{&kmsapi.CreateAliasRequest{AliasName: new(""), TargetKeyId: key},
			two + "Value '' at 'aliasName' failed to satisfy constraint: " +
				"Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$; " +
				"Value '' at 'aliasName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{&kmsapi.EncryptRequest{KeyId: key, Plaintext: make([]byte, 4097)},
			one + "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096"},
		{&kmsapi.EncryptRequest{Plaintext: []byte{}},
			two + "Value null at 'keyId' failed to satisfy constraint: Member must not be null; " +
				"Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{&kmsapi.DecryptRequest{CiphertextBlob: make([]byte, 6145)},
			one + "Value 'java.nio.HeapByteBuffer[pos=0 lim=6145 cap=6145]' at 'ciphertextBlob' failed to satisfy constraint: " +
				"Member must have length less than or equal to 6144"},
		{&kmsapi.TagResourceRequest{KeyId: key, Tags: []kmsapi.Tag{{TagKey: key, TagValue: key}, {TagKey: new(""), TagValue: key}, {TagKey: key}}},
			two + "Value '' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value null at 'tags.3.member.tagValue' failed to satisfy constraint: Member must not be null"},
		{&kmsapi.TagResourceRequest{KeyId: key, Tags: []kmsapi.Tag{}}, ""},
		{&kmsapi.CreateGrantRequest{KeyId: key, GranteePrincipal: key, Operations: []kmsapi.GrantOperation{"Encrypt"},
			Constraints: &kmsapi.GrantConstraints{SourceArn: new("")}},
			one + "Value '' at 'constraints.sourceArn' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{&kmsapi.EncryptRequest{KeyId: key, Plaintext: []byte{1}, GrantTokens: []string{"a", ""}},
			one + "Value '[a, ]' at 'grantTokens' failed to satisfy constraint: Member must satisfy constraint: " +
				"[Member must have length less than or equal to 8192, Member must have length greater than or equal to 1]"},
		{&kmsapi.EncryptRequest{KeyId: key, Plaintext: []byte{1}, GrantTokens: strings.Split("a,b,c,d,e,f,g,h,i,j,k", ",")},
			one + "Value '[a, b, c, d, e, f, g, h, i, j, k]' at 'grantTokens' failed to satisfy constraint: " +
				"Member must have length less than or equal to 10"},
		{&stsapi.AssumeRoleRequest{RoleArn: new("arn:aws:iam::1:role/x"), RoleSessionName: new("s!"), TokenCode: new(api.SecretString("12x"))},
			"3 validation errors detected: Value 's!' at 'roleSessionName' failed to satisfy constraint: " +
				`Member must satisfy regular expression pattern: [\w+=,.@-]*; ` +
				`Value at 'tokenCode' failed to satisfy constraint: Member must satisfy regular expression pattern: [\d]*; ` +
				"Value at 'tokenCode' failed to satisfy constraint: Member must have length greater than or equal to 6"},
		{&iamapi.CreateUserRequest{UserName: key, Tags: make([]iamapi.Tag, 51)}, "tags"},
	} {
		err := api.Validate(c.in)
		switch {
		case c.want == "" && err != nil, c.want != "" && err == nil:
			t.Errorf("%T: got %v, want %q", c.in, err, c.want)
		case c.want == "tags":
			if !strings.Contains(err.Error(), "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50; ") ||
				!strings.HasPrefix(err.Error(), "103 validation errors detected: ") {
				t.Errorf("%T: got %v", c.in, err)
			}
		case err != nil && err.Error() != c.want:
			t.Errorf("%T:\ngot  %s\nwant %s", c.in, err, c.want)
		}
	}
}

func TestValidateOperations(t *testing.T) {
	err := api.Validate(&kmsapi.CreateGrantRequest{KeyId: new("k"), Operations: []kmsapi.GrantOperation{"Encrypt", "x"}})
	const want = one + "Value '[Encrypt, x]' at 'operations' failed to satisfy constraint: " +
		"Member must satisfy constraint: [Member must satisfy enum value set: [Decrypt, Encrypt, "
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}

// TestValidateLength: lengths are counted in UTF-16 units, as Java does.
func TestValidateLength(t *testing.T) {
	for _, c := range []struct {
		text  string
		valid bool
	}{
		{strings.Repeat("é", 2048), true},
		{strings.Repeat("é", 2049), false},
		{strings.Repeat("𝄞", 1024), true},
		{strings.Repeat("𝄞", 1024) + "a", false},
		{strings.Repeat("漢", 2048), true},
	} {
		err := api.Validate(&kmsapi.DescribeKeyRequest{KeyId: &c.text})
		if (err == nil) != c.valid {
			t.Errorf("%d bytes of %s: %v", len(c.text), c.text[:4], err)
		}
	}
}

// TestValidateBounded: however much is wrong, the answer stays short.
func TestValidateBounded(t *testing.T) {
	big := strings.Repeat("é!", 100_000)
	tags := make([]iamapi.Tag, 1000)
	for i := range tags {
		tags[i] = iamapi.Tag{Key: &big, Value: &big}
	}
	err := api.Validate(&iamapi.CreateUserRequest{UserName: &big, Tags: tags})
	var ve *api.ValidationError
	if !errors.As(err, &ve) {
		t.Fatal(err)
	}
	if n := len(err.Error()); n > 100_000 {
		t.Errorf("answer of %d bytes", n)
	}
	if !strings.Contains(err.Error(), "é…' at") && !strings.Contains(err.Error(), "!…' at") {
		t.Error("a value was cut within a character, or not at all")
	}
	err = api.Validate(&kmsapi.CreateGrantRequest{Operations: make([]kmsapi.GrantOperation, 100_000)})
	if n := len(err.Error()); n > 10_000 {
		t.Errorf("answer of %d bytes", n)
	}
}
