package api_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
)

const (
	secret    = "hunter2hunter2"
	secretB64 = "aHVudGVyMmh1bnRlcjI="
	secretHex = "68756e74657232"
	secretDec = "104 117 110 116"
)

// TestSecretsStayOut prints structures with secrets in every way that logs and
// errors do.
func TestSecretsStayOut(t *testing.T) {
	text := new(api.SecretString(secret))
	for _, v := range []any{
		kmsapi.EncryptRequest{Plaintext: []byte(secret)},
		&kmsapi.GenerateDataKeyResponse{Plaintext: []byte(secret)},
		&kmsapi.GenerateRandomResponse{Plaintext: []byte(secret)},
		&kmsapi.GenerateDataKeyPairResponse{PrivateKeyPlaintext: []byte(secret)},
		&kmsapi.DecapsulateResponse{SharedSecret: []byte(secret)},
		&kmsapi.CreateCustomKeyStoreRequest{KeyStorePassword: text},
		&stsapi.AssumeRoleResponse{Credentials: &stsapi.Credentials{SecretAccessKey: text, SessionToken: text}},
		&stsapi.GetSessionTokenRequest{TokenCode: text},
		&iamapi.CreateAccessKeyResponse{AccessKey: &iamapi.AccessKey{SecretAccessKey: text}},
		&iamapi.CreateVirtualMFADeviceResponse{VirtualMFADevice: &iamapi.VirtualMFADevice{Base32StringSeed: []byte(secret), QRCodePNG: []byte(secret)}},
		&iamapi.EnableMFADeviceRequest{AuthenticationCode1: text},
		&iamapi.CreateLoginProfileRequest{Password: text},
		&iamapi.UploadServerCertificateRequest{PrivateKey: text},
		api.SecretBytes(secret), api.SecretString(secret), text,
		&iamapi.ListVirtualMFADevicesResponse{VirtualMFADevices: []iamapi.VirtualMFADevice{{Base32StringSeed: []byte(secret)}}},
		[]api.SecretString{secret}, map[string]api.SecretBytes{"k": []byte(secret)},
	} {
		var b bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%T%[1]v"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		fmt.Fprintln(&b, fmt.Errorf("wrapped: %v", v))
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
		if text, err := json.Marshal(v); err == nil {
			b.Write(text)
		}
		if text, err := xml.Marshal(v); err == nil {
			b.Write(text)
		}
		for _, leak := range []string{secret, secretB64, secretHex, strings.ToUpper(secretHex), secretDec} {
			if strings.Contains(b.String(), leak) {
				t.Errorf("%T: %s in:\n%s", v, leak, b.String())
			}
		}
		if !strings.Contains(b.String(), "[redacted]") {
			t.Errorf("%T: nothing redacted", v)
		}
	}
}

// TestSecretNames: no member that sounds like a secret has a type that prints.
func TestSecretNames(t *testing.T) {
	open := map[string]bool{ // sounds like one, is none
		"GrantToken": true, "ImportToken": true, "EncryptedKeyMaterial": true, "NextToken": true,
		"GlobalEndpointTokenVersion": true, "RemovePrivateKey": true, "SharedSecretCiphertextBlob": true,
		"PrivateKeyCiphertextBlob": true, "SubjectFromWebIdentityToken": true, "ErrorCode": true,
		"ConnectionErrorCode": true, "CiphertextForRecipient": true,
	}
	for _, s := range []*api.Service{kmsapi.Service, iamapi.Service, stsapi.Service} {
		for _, op := range s.Operations {
			types := []reflect.Type{reflect.TypeOf(op.New())}
			if op.NewOutput != nil {
				types = append(types, reflect.TypeOf(op.NewOutput()))
			}
			for _, typ := range types {
				for name, field := range members(typ, map[reflect.Type]bool{}) {
					if !sounds(name) || open[name] {
						continue
					}
					if field != reflect.TypeFor[*api.SecretString]() && field != reflect.TypeFor[api.SecretBytes]() {
						t.Errorf("%s.%s: %s has type %s", s.ID, op.Name, name, field)
					}
				}
			}
		}
	}
}

func sounds(name string) bool {
	for _, word := range []string{"Plaintext", "Secret", "PrivateKey", "Seed", "QRCode", "SessionToken", "AuthenticationCode", "TokenCode", "IdentityToken", "GrantToken", "SharedSecret"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "Password" || strings.HasSuffix(name, "Password")
}

// members lists the members of a structure and of all below it that hold text
// or bytes.
func members(t reflect.Type, seen map[reflect.Type]bool) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		return members(t.Elem(), seen)
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return all
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		leaf := f.Type
		if leaf.Kind() == reflect.Pointer {
			leaf = leaf.Elem()
		}
		if leaf.Kind() == reflect.String || leaf.Kind() == reflect.Slice && leaf.Elem().Kind() == reflect.Uint8 {
			all[f.Name] = f.Type
		}
		for name, inner := range members(f.Type, seen) {
			all[name] = inner
		}
	}
	return all
}
