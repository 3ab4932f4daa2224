package command_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

// reversing answers Encrypt and Decrypt with a version byte and the bytes
// turned round: enough to see that every byte went there and back.
func reversing(t *testing.T) *service {
	return serve(t, map[string]any{
		"Encrypt": func(in map[string]any) any {
			b, _ := base64.StdEncoding.DecodeString(in["Plaintext"].(string))
			slices.Reverse(b)
			return map[string]any{"KeyId": keyARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "CiphertextBlob": append([]byte{1}, b...)}
		},
		"Decrypt": func(in map[string]any) any {
			b, _ := base64.StdEncoding.DecodeString(in["CiphertextBlob"].(string))
			b = b[1:]
			slices.Reverse(b)
			return map[string]any{"KeyId": keyARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "Plaintext": b}
		},
	})
}

func TestEncryptThenDecrypt(t *testing.T) {
	s := reversing(t)
	for _, plaintext := range []string{"secret\n", "\x00\xff binary", strings.Repeat("x", 4096)} {
		for _, form := range []string{"--base64", "--raw"} {
			ciphertext := ok(t, plaintext, "encrypt", "--key", "alias/app", "--context", "a=1", "--context", "b=x=y", form)
			if diff := cmp.Diff(map[string]any{"a": "1", "b": "x=y"}, s.last()["EncryptionContext"]); diff != "" {
				t.Error(diff)
			}
			if got := ok(t, ciphertext, "decrypt"); got != plaintext {
				t.Errorf("%s: %q came back as %q", form, plaintext, got)
			}
		}
	}
}

func TestFilesAreWholeAndPrivate(t *testing.T) {
	reversing(t)
	dir := t.TempDir()
	in, enc, dec := filepath.Join(dir, "in"), filepath.Join(dir, "enc"), filepath.Join(dir, "dec")
	if err := os.WriteFile(in, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	// What was there before had other rights and a link to it.
	if err := os.WriteFile(dec, []byte("something longer that was there before"), 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dec, link); err != nil {
		t.Fatal(err)
	}
	if got := ok(t, "", "encrypt", "--key", "k", "--in", in, "--out", enc); got != "" {
		t.Errorf("stdout %q", got)
	}
	ok(t, "", "decrypt", enc, "--out", link)
	if got := mustRead(t, dec); got != "secret" {
		t.Errorf("came back as %q", got)
	}
	for _, path := range []string{enc, dec} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	ok(t, "", "decrypt", enc, "--out", "/dev/null")
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Fatal("/dev/null was replaced by a file")
	}
	if names, _ := os.ReadDir(dir); len(names) != 4 {
		t.Errorf("something was left behind: %v", names)
	}
}

func TestFailureLeavesTheFileAlone(t *testing.T) {
	s := reversing(t)
	out := writeTemp(t, "out", "before")
	s.answers["Decrypt"] = awsError{400, "InvalidCiphertextException", ""}
	fails(t, 5, "AQID", []string{"decrypt", "--out", out})
	if got := mustRead(t, out); got != "before" {
		t.Errorf("the file holds %q", got)
	}
	missing := filepath.Join(t.TempDir(), "no", "out")
	fails(t, 4, "secret", []string{"encrypt", "--key", "k", "--out", missing})
}

func TestInputsRefused(t *testing.T) {
	s := serve(t, nil)
	file := writeTemp(t, "in", "x")
	for _, tc := range []struct {
		stdin string
		args  []string
		holds string
	}{
		{strings.Repeat("x", 4097), []string{"encrypt", "--key", "k"}, "4,096 bytes"},
		{"", []string{"encrypt", "--key", "k"}, "empty"},
		{"", []string{"encrypt", "--key", "k", "--in", file, file}, "two inputs"},
		{"x", []string{"encrypt"}, "key"},
		{"x", []string{"encrypt", "--key", "k", "--context", "novalue"}, "NAME=VALUE"},
		{"x", []string{"encrypt", "--key", "k", "--context", "=v"}, "NAME=VALUE"},
		{"x", []string{"encrypt", "--key", "k", "--context", "a=1", "--context", "a=2"}, "given twice"},
		{"x", []string{"encrypt", "--key", "k", "--raw", "--base64"}, "raw"},
		{"", []string{"decrypt"}, "empty"},
		{" \n", []string{"decrypt"}, "empty"},
		{"\x01\x02", []string{"decrypt", "--in-format", "base64"}, "not base64"},
		{strings.Repeat("\x01", 6145), []string{"decrypt"}, "6,144"},
		{strings.Repeat("A", 20000), []string{"decrypt"}, "6,144"},
		{"x", []string{"decrypt", "--in-format", "hex"}, "auto, base64 or raw"},
		{"AQ==", []string{"reencrypt"}, "key"},
		{"AQ==", []string{"reencrypt", "--key", "k", "--drop-context", "--new-context", "a=b"}, "drop-context"},
		{"", []string{"datakey"}, "key"},
		{"", []string{"datakey", "--key", "k", "--bytes", "0"}, "1 to 1024"},
		{"", []string{"datakey", "--key", "k", "--bytes", "1025"}, "1 to 1024"},
		{"", []string{"datakey", "--key", "k", "--spec", "AES_512"}, "AES_256"},
		{"", []string{"datakey", "--key", "k", "--spec", "AES_256", "--bytes", "4"}, "bytes"},
		{"", []string{"random", "--bytes", "-1"}, "1 to 1024"},
		{"", []string{"random", "--hex", "--raw"}, "hex"},
	} {
		fails(t, 2, tc.stdin, tc.args, tc.holds)
	}
	if s.ops() != "" {
		t.Errorf("the service was asked: %s", s.ops())
	}
}

func TestInFormat(t *testing.T) {
	s := serve(t, map[string]any{"Decrypt": map[string]any{"Plaintext": "eA=="}})
	for _, tc := range []struct{ input, format, sent string }{
		{"AQID", "auto", "AQID"},
		{"  AQ\r\nID\n", "auto", "AQID"},
		{"AQID", "base64", "AQID"},
		{"AQID", "raw", "QVFJRA=="},
		{"\x01\x02\x03", "auto", "AQID"},
		{"AQI", "auto", "QVFJ"}, // no padding: not base64, so raw
	} {
		ok(t, tc.input, "decrypt", "--in-format", tc.format)
		if got := s.last()["CiphertextBlob"]; got != tc.sent {
			t.Errorf("%q as %s was sent as %v", tc.input, tc.format, got)
		}
	}
}

// TestBinaryIsNotForTerminals: neither ciphertext nor plaintext that a
// terminal would obey is written to one.
func TestBinaryIsNotForTerminals(t *testing.T) {
	reversing(t)
	_, theirs := pty(t)
	for _, tc := range []struct {
		stdin string
		args  []string
		code  int
	}{
		{"secret", []string{"encrypt", "--key", "k", "--raw"}, 2},
		{"secret", []string{"encrypt", "--key", "k"}, 0},
		{"\x01m13[\x1b", []string{"decrypt"}, 2},
		{"\x01m13[\x1b", []string{"decrypt", "--base64"}, 0},
		{"\x01terces", []string{"decrypt"}, 0},
	} {
		var stderr strings.Builder
		if code := command.Main(tc.args, strings.NewReader(tc.stdin), theirs, &stderr); code != tc.code {
			t.Errorf("keyctl %v: code %d: %s", tc.args, code, stderr.String())
		}
		if tc.code != 0 && !strings.Contains(stderr.String(), "--out FILE") {
			t.Errorf("keyctl %v: no hint: %s", tc.args, stderr.String())
		}
	}
}

func TestCryptoJSON(t *testing.T) {
	reversing(t)
	out := filepath.Join(t.TempDir(), "out")
	for _, tc := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"abc", []string{"encrypt", "--key", "k", "--raw"}, `{"KeyId":"` + keyARN + `","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","CiphertextBlob":"AWNiYQ=="}`},
		{"abc", []string{"encrypt", "--key", "k", "--out", out}, `{"KeyId":"` + keyARN + `","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","Out":"` + out + `"}`},
		{"AWNiYQ==", []string{"decrypt"}, `{"KeyId":"` + keyARN + `","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","Plaintext":"YWJj"}`},
		{"AWNiYQ==", []string{"decrypt", "--out", out}, `{"KeyId":"` + keyARN + `","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","Out":"` + out + `"}`},
	} {
		wantJSON(t, ok(t, tc.stdin, append(tc.args, "-o", "json")...), tc.want)
	}
}

func TestReencrypt(t *testing.T) {
	s := serve(t, map[string]any{"ReEncrypt": map[string]any{"CiphertextBlob": "AgME", "SourceKeyId": "old", "KeyId": keyARN, "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT"}})
	same := map[string]any{"a": "1"}
	for _, tc := range []struct {
		args        []string
		source, new any
	}{
		{[]string{"--context", "a=1"}, same, same},
		{[]string{"--context", "a=1", "--new-context", "b=2"}, same, map[string]any{"b": "2"}},
		{[]string{"--context", "a=1", "--drop-context"}, same, nil},
		{nil, nil, nil},
	} {
		if got := ok(t, "AQ==", append([]string{"reencrypt", "--key", "alias/new"}, tc.args...)...); got != "AgME\n" {
			t.Errorf("got %q", got)
		}
		in := s.last()
		if in["DestinationKeyId"] != "alias/new" || !cmp.Equal(in["SourceEncryptionContext"], tc.source) || !cmp.Equal(in["DestinationEncryptionContext"], tc.new) {
			t.Errorf("%v was sent as %v", tc.args, in)
		}
	}
}

func TestDatakey(t *testing.T) {
	answer := map[string]any{"KeyId": keyARN, "Plaintext": "AAEC", "CiphertextBlob": "AQID"}
	s := serve(t, map[string]any{"GenerateDataKey": answer, "GenerateDataKeyWithoutPlaintext": map[string]any{"KeyId": keyARN, "CiphertextBlob": "AQID"}})
	if got, want := ok(t, "", "datakey", "--key", "k"), "key          "+keyARN+"\nciphertext   AQID\nplaintext    AAEC\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	if in := s.last(); in["KeySpec"] != "AES_256" || in["NumberOfBytes"] != nil {
		t.Errorf("sent %v", in)
	}
	got := ok(t, "", "datakey", "--key", "k", "--without-plaintext", "--bytes", "7", "-o", "json")
	wantJSON(t, got, `{"KeyId":"`+keyARN+`","CiphertextBlob":"AQID"}`)
	if in := s.last(); in["KeySpec"] != nil || in["NumberOfBytes"] != 7.0 {
		t.Errorf("sent %v", in)
	}
	plain, enc := filepath.Join(t.TempDir(), "k"), filepath.Join(t.TempDir(), "k.enc")
	got = ok(t, "", "datakey", "--key", "k", "--plaintext-out", plain, "--ciphertext-out", enc)
	if strings.Contains(got, "AAEC") || mustRead(t, plain) != "\x00\x01\x02" || mustRead(t, enc) != "AQID\n" {
		t.Errorf("printed %q, wrote %q and %q", got, mustRead(t, plain), mustRead(t, enc))
	}
}

func TestRandom(t *testing.T) {
	s := serve(t, map[string]any{"GenerateRandom": map[string]any{"Plaintext": "+/8A"}})
	out := filepath.Join(t.TempDir(), "seed")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "+/8A\n"}, {[]string{"--hex"}, "fbff00\n"}, {[]string{"--raw"}, "\xfb\xff\x00"}, {[]string{"--out", out, "--raw"}, ""},
	} {
		if got := ok(t, "", append([]string{"random"}, tc.args...)...); got != tc.want {
			t.Errorf("%v: %q", tc.args, got)
		}
	}
	if got := s.last()["NumberOfBytes"]; got != 32.0 || mustRead(t, out) != "\xfb\xff\x00" {
		t.Errorf("asked for %v, wrote %q", got, mustRead(t, out))
	}
	wantJSON(t, ok(t, "", "random", "--hex", "-o", "json"), `{"Plaintext":"+/8A"}`)
}
