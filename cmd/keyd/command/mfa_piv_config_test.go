package command

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/hsm/piv/pivtest"
)

func TestPIVConfiguration(t *testing.T) {
	ca := pivtest.NewCA(t)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Root().Raw})
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, try := range map[string]struct{ yaml, says string }{
		"nothing":          {"", ""},
		"all":              {"piv: {require_attestation: true, touch: [always, cached], roots: " + file("good", append(certificate, certificate...)) + "}", ""},
		"unknown policy":   {"piv: {touch: [sometimes]}", `touch "sometimes"`},
		"unknown field":    {"piv: {root: x}", "root"},
		"no such file":     {"piv: {roots: " + filepath.Join(dir, "none") + "}", "no such file"},
		"no certificate":   {"piv: {roots: " + file("empty", nil) + "}", "not a PEM file"},
		"a private key":    {"piv: {roots: " + file("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"})) + "}", "PRIVATE KEY"},
		"half a file":      {"piv: {roots: " + file("half", append(certificate, certificate[:100]...)) + "}", "not a PEM file"},
		"damaged":          {"piv: {roots: " + file("damaged", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})) + "}", "damaged"},
		"not a touch list": {"piv: {touch: always}", "line 2"},
	} {
		text := "data_dir: x\n"
		if try.yaml != "" {
			text += "mfa: {" + try.yaml + "}\n"
		}
		c, err := loadConfig(configFlags{file: file("config", []byte(text))}, none)
		if err == nil {
			_, err = c.MFA.PIV.rules()
		}
		if try.says == "" && err != nil || try.says != "" && (err == nil || !strings.Contains(err.Error(), try.says)) {
			t.Errorf("%s: %v, want %q", name, err, try.says)
		}
	}
}
