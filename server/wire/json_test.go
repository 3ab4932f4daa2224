package wire_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/server/wire"
)

func TestDecodeJSON(t *testing.T) {
	var in kmsapi.EncryptRequest
	body := `{"KeyId":"\u0061lias\/x","Plaintext":"AAE\/","EncryptionContext":{"a":"b"},"GrantTokens":["t1","t2"],
		"DryRun":false,"keyid":"ignored","Unknown":{"deep":[[{"KeyId":"no"}]]},"EncryptionAlgorithm":null}`
	if err := wire.DecodeJSON([]byte(body), &in); err != nil {
		t.Fatal(err)
	}
	want := kmsapi.EncryptRequest{
		KeyId:             new("alias/x"),
		Plaintext:         []byte{0, 1, 0x3F},
		EncryptionContext: map[string]string{"a": "b"},
		GrantTokens:       []string{"t1", "t2"},
		DryRun:            new(false),
	}
	if diff := cmp.Diff(want, in, showSecrets); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

// showSecrets lets a failing comparison of test values print them.
var showSecrets = cmp.Transformer("bytes", func(s api.SecretBytes) []byte { return s })

func TestDecodeJSONAbsentAndEmpty(t *testing.T) {
	for _, body := range []string{"", " \r\n\t", "{}", ` { } `, `{"KeyId":null,"GrantTokens":null,"EncryptionContext":null}`} {
		var in kmsapi.EncryptRequest
		if err := wire.DecodeJSON([]byte(body), &in); err != nil {
			t.Errorf("%q: %v", body, err)
		}
		if in.KeyId != nil || in.Plaintext != nil || in.GrantTokens != nil || in.EncryptionContext != nil {
			t.Errorf("%q: something is there: %v", body, in)
		}
	}
	var in kmsapi.EncryptRequest
	if err := wire.DecodeJSON([]byte(`{"KeyId":"","Plaintext":"","GrantTokens":[],"EncryptionContext":{}}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.KeyId == nil || in.Plaintext == nil || in.GrantTokens == nil || in.EncryptionContext == nil {
		t.Errorf("an empty member is absent: %v", in)
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"KeyId":1}`, "NUMBER_VALUE can not be converted to a String"},
		{`{"KeyId":true}`, "TRUE_VALUE can not be converted to a String"},
		{`{"KeyId":{}}`, "Start of structure or map found where not expected."},
		{`{"KeyId":["a"]}`, "Start of list found where not expected"},
		{`{"DryRun":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
		{`{"DryRun":0}`, "NUMBER_VALUE can not be converted to a Boolean"},
		{`{"Plaintext":7}`, "NUMBER_VALUE can not be converted to a Blob"},
		{`{"Plaintext":"AA"}`, "STRING_VALUE can not be decoded as Base64"},
		{`{"Plaintext":"AB=="}`, "STRING_VALUE can not be decoded as Base64"},
		{`{"Plaintext":"AA\n=="}`, "STRING_VALUE can not be decoded as Base64"},
		{`{"Plaintext":"_-8="}`, "STRING_VALUE can not be decoded as Base64"},
		{`{"GrantTokens":"t"}`, "Expected list or null"},
		{`{"GrantTokens":{}}`, "Start of structure or map found where not expected."},
		{`{"GrantTokens":[null]}`, "NULL_VALUE can not be converted to a String"},
		{`{"EncryptionContext":"x"}`, "Expected map or null"},
		{`{"EncryptionContext":["x"]}`, "Start of list found where not expected"},
		{`{"EncryptionContext":{"a":null}}`, "NULL_VALUE can not be converted to a String"},
		{`{"EncryptionContext":{"a":"1","\u0061":"2"}}`, "duplicate member name"},
		{`{"KeyId":"a","KeyId":"b"}`, "duplicate member name"},
		{`{"X":1,"X":2}`, "duplicate member name"},
		{`[]`, "Start of list found where not expected"},
		{`"x"`, "Expected structure or null"},
		{`null`, "Expected structure or null"},
		{`{} {}`, "text after the request"},
		{`{}x`, "text after the request"},
		{`{"KeyId":"a"`, "Unexpected end of input"},
		{`{"KeyId":`, "Unexpected end of input"},
		{`{"KeyId":}`, "Unable to parse the request as JSON at offset 8"},
		{`{"KeyId":"a",}`, "Unable to parse the request as JSON at offset 12"},
		{`{'KeyId':'a'}`, "Unable to parse the request as JSON at offset 1"},
		{"{\"KeyId\":\"\xff\"}", "Unable to parse the request as JSON at offset 8"},
		{`{"KeyId":"\ud800"}`, "Unable to parse the request as JSON at offset 8"},
		{"{\"X\":\"\x01\"}", "Unable to parse the request as JSON at offset 4"},
		{`{"X":` + strings.Repeat("[", 65), "nesting too deep"},
		{`{"X":` + strings.Repeat(`{"a":`, 70), "nesting too deep"},
		{`{"GrantTokens":[` + strings.Repeat(`"",`, 5000), "too many elements in a list"},
	} {
		refused(t, wire.DecodeJSON([]byte(c.body), new(kmsapi.EncryptRequest)), c.want)
	}
}

func TestDecodeJSONNumbers(t *testing.T) {
	const no = "NUMBER_VALUE can not be converted to an Integer"
	for _, s := range []string{"2147483648", "-2147483649", "1.5", "1e3", "99999999999999999999"} {
		refused(t, wire.DecodeJSON([]byte(`{"NumberOfBytes":`+s+`}`), new(kmsapi.GenerateRandomRequest)), no)
	}
	var in kmsapi.GenerateRandomRequest
	if err := wire.DecodeJSON([]byte(`{"NumberOfBytes":-2147483648}`), &in); err != nil || *in.NumberOfBytes != -2147483648 {
		t.Errorf("least integer: %v", err)
	}
	for _, c := range []struct {
		text string
		want int64 // milliseconds
	}{{"1700000000", 1700000000000}, {"1.700000000123E9", 1700000000123}, {"-1.5", -1500}} {
		var in kmsapi.ImportKeyMaterialRequest
		if err := wire.DecodeJSON([]byte(`{"ValidTo":`+c.text+`}`), &in); err != nil || in.ValidTo.UnixMilli() != c.want {
			t.Errorf("timestamp %s: %v %v", c.text, in.ValidTo, err)
		}
	}
	for _, s := range []string{"1e300", "253402300800", "-1e12"} {
		refused(t, wire.DecodeJSON([]byte(`{"ValidTo":`+s+`}`), new(kmsapi.ImportKeyMaterialRequest)),
			"NUMBER_VALUE can not be converted to a Timestamp")
	}
}

func TestEncodeJSON(t *testing.T) {
	out := &kmsapi.ListGrantsResponse{
		Grants: []kmsapi.GrantListEntry{{
			KeyId:        new("<k>"),
			CreationDate: api.At(time.UnixMilli(1700000000120)),
			Operations:   []kmsapi.GrantOperation{},
			Constraints:  &kmsapi.GrantConstraints{EncryptionContextEquals: map[string]string{"b": "2", "a": "\"\n"}},
		}},
		Truncated: new(false),
	}
	got, err := wire.EncodeJSON(out)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Grants":[{"KeyId":"<k>","CreationDate":1700000000.12,"Operations":[],` +
		`"Constraints":{"EncryptionContextEquals":{"a":"\"\n","b":"2"}}}],"Truncated":false}`
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := wire.EncodeJSON(nil); err != nil || len(got) != 0 {
		t.Errorf("no output: %q, %v", got, err)
	}
	if _, err := wire.EncodeJSON(&kmsapi.EncryptResponse{KeyId: new("\xff")}); err == nil {
		t.Error("text that is not UTF-8 was encoded")
	}
}

func TestJSONError(t *testing.T) {
	for _, c := range []struct{ code, message, want string }{
		{"NotFoundException", "key \"x\"", `{"__type":"NotFoundException","message":"key \"x\""}`},
		{"SerializationException", "", `{"__type":"SerializationException"}`},
		{"X", "a\xffb", `{"__type":"X","message":"a` + "\uFFFD" + `b"}`},
	} {
		if got := string(wire.JSONError(c.code, c.message)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// FuzzDecodeJSON: whatever decodes is encoded again to something that decodes
// to the same. Everything else is a SerializationError.
func FuzzDecodeJSON(f *testing.F) {
	f.Add(encryptBody(20))
	f.Add([]byte(`{"KeyId":"k","Tags":[{"TagKey":"a","TagValue":null}],"X":[1,{"y":[]}]}`))
	f.Add([]byte(`{"Limit":12,"ValidTo":1.7e9,"DryRun":true,"Constraints":{"EncryptionContextSubset":{"a":"b"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, fresh := range []func() any{
			func() any { return new(kmsapi.EncryptRequest) },
			func() any { return new(kmsapi.CreateGrantRequest) },
			func() any { return new(kmsapi.TagResourceRequest) },
			func() any { return new(kmsapi.ImportKeyMaterialRequest) },
		} {
			in, again := fresh(), fresh()
			if err := wire.DecodeJSON(body, in); err != nil {
				if _, ok := err.(*wire.SerializationError); !ok {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			_ = api.Validate(in)
			text, err := wire.EncodeJSON(in)
			if err != nil {
				t.Fatal(err)
			}
			if err := wire.DecodeJSON(text, again); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if diff := cmp.Diff(in, again, showSecrets); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
