package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	kmsOnly  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`
	tlsOnly  = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	misspelt = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Actions":"kms:*","Resource":"*"}]}`
)

// TestGuardrails: the files become levels in the order of the configuration.
func TestGuardrails(t *testing.T) {
	file := guardrailFiles(t)
	c := Config{DataDir: "x"}
	text := "guardrails:\n  scp:\n    - [" + file(kmsOnly) + "]\n    - [" + file(kmsOnly) + ", " + file(kmsOnly) + "]\n  rcp: [[" + file(tlsOnly) + "]]\n"
	if err := parseConfig([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	g, err := c.Guardrails.load()
	if err != nil {
		t.Fatal(err)
	}
	if len(g.SCP) != 2 || len(g.SCP[0]) != 1 || len(g.SCP[1]) != 2 || len(g.RCP) != 1 {
		t.Errorf("%d levels of SCPs, %d of RCPs", len(g.SCP), len(g.RCP))
	}
	if p := g.RCP[0][0]; p.Text() != tlsOnly || p.Name != c.Guardrails.RCP[0][0] {
		t.Errorf("%s: %s", p.Name, p.Text())
	}
	if g, err := (GuardrailsConfig{}).load(); err != nil || g.SCP != nil || g.RCP != nil {
		t.Errorf("none: %v, %v", g, err)
	}
}

// TestGuardrailsExample: the configuration that docs/authorization.md shows is one.
func TestGuardrailsExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "authorization.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	var c Config
	if err := parseConfig([]byte(block), &c); err != nil {
		t.Fatal(err)
	}
	if g := c.Guardrails; len(g.SCP) != 2 || len(g.RCP) != 1 {
		t.Errorf("read as %+v", g)
	}
}

// TestGuardrailsRefused: keyd does not start with a guardrail that it cannot
// enforce.
func TestGuardrailsRefused(t *testing.T) {
	file := guardrailFiles(t)
	gone := filepath.Join(t.TempDir(), "gone.json")
	for name, c := range map[string]struct {
		config GuardrailsConfig
		want   string
	}{
		"missing":            {GuardrailsConfig{SCP: [][]string{{gone}}}, "gone.json: no such file"},
		"not JSON":           {GuardrailsConfig{SCP: [][]string{{file("{")}}}, "Syntax errors in policy"},
		"unknown element":    {GuardrailsConfig{SCP: [][]string{{file(kmsOnly)}, {file(misspelt)}}}, "Syntax errors in policy"},
		"SCP with principal": {GuardrailsConfig{SCP: [][]string{{file(tlsOnly)}}}, "should not specify a principal"},
		"RCP without":        {GuardrailsConfig{RCP: [][]string{{file(kmsOnly)}}}, "rcp: "},
		"empty level":        {GuardrailsConfig{SCP: [][]string{{file(kmsOnly)}, {}}}, "scp: level 2: no policy in it"},
		"empty level of RCP": {GuardrailsConfig{RCP: [][]string{{}}}, "rcp: level 1: no policy in it"},
	} {
		if g, err := c.config.load(); err == nil || !strings.Contains(err.Error(), c.want) || g.SCP != nil || g.RCP != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestGuardrailsBeforeToken: serve reads them before it takes lock or token.
func TestGuardrailsBeforeToken(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "keyd.yaml")
	text := "data_dir: " + filepath.Join(dir, "data") + "\nlisten: {address: '127.0.0.1:0'}\nguardrails: {scp: [[" + filepath.Join(dir, "gone.json") + "]]}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	err := runServe(t.Context(), serveOptions{config: configFlags{file: config}})
	if err == nil || !strings.Contains(err.Error(), "guardrails: scp: ") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("the data directory was made")
	}
}

// guardrailFiles writes documents into files of their own.
func guardrailFiles(t *testing.T) func(text string) string {
	dir := t.TempDir()
	return func(text string) string {
		t.Helper()
		f, err := os.CreateTemp(dir, "*.json")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
}
