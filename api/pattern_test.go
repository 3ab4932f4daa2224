package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct{ java, yes, no string }{
		{`[\w+=,.@-]+`, "a+B_9", "a b"},
		{`[\w+=,.@-]+`, "x", ""},
		{`[\w+=,.@-]*`, "", "é"},
		{`^[a-zA-Z0-9:/_-]+$`, "alias/a", "alias/a\n"},
		{`[\u0009\u000A\u000D\u0020-\u00FF]+`, "{\r\n\té}", "\u0100"},
		{`[\u0020-\u00FF]*`, "ÿ", "\x7f\x1f"},
		{`[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, "Straße 漢字-1@", "a#b"},
		{`^[a-zA-Z0-9:/_\s.-]+$`, "a\x0b\t b", "a*"},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, "/a/b/", "/a"},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, "/", "//x"},
		{`^([a-z]+-){2,3}\d+$`, "local-one-1", "local-1"},
		{`v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`, "v12.a", "xv12"},
		{`[0-9]{12}`, "123456789012", "1234567890123"},
		{`^[a-zA-Z0-9-_.]+$`, "a-_.9", "a/"},
		{`\s+`, " \x0b", "a"},
	} {
		p := api.NewPattern(c.java, "")
		if err := p.Compile(); err != nil {
			t.Errorf("%s: %v", c.java, err)
		}
		if !p.Match(c.yes) {
			t.Errorf("%s does not match %q", c.java, c.yes)
		}
		if p.Match(c.no) {
			t.Errorf("%s matches %q", c.java, c.no)
		}
	}
}

func TestPatternRefuses(t *testing.T) {
	for _, java := range []string{`a(?!b)`, `[a-z&&[^b]]`, `[a[b]]`, `(`, `\u00`} {
		p := api.NewPattern(java, "")
		if p.Compile() == nil {
			t.Errorf("%s compiled", java)
		}
		if p.Match("a") {
			t.Errorf("%s matches, though it does not compile", java)
		}
	}
}

// TestAccountAlias judges the one pattern that is stated twice: no hyphen at
// either end, no two in a row.
func TestAccountAlias(t *testing.T) {
	for name, valid := range map[string]bool{
		"abc": true, "a-b": true, "a1-b2-c3": true, strings.Repeat("a", 63): true,
		"ab": false, "-ab": false, "ab-": false, "a--b": false, "aBc": false, strings.Repeat("a", 64): false,
	} {
		err := api.Validate(&iamapi.CreateAccountAliasRequest{AccountAlias: &name})
		if (err == nil) != valid {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "pattern") && !strings.Contains(err.Error(), `-(?!-)`) {
			t.Errorf("%s: pattern not as in the model: %v", name, err)
		}
	}
}

// TestModelPatterns compiles every pattern of every model.
func TestModelPatterns(t *testing.T) {
	files, err := filepath.Glob("model/*.json")
	if err != nil || len(files) != 10 {
		t.Fatalf("models %v, %v", files, err)
	}
	type shape struct{ Pattern, RE2 string }
	all := map[string]shape{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m struct{ Shapes map[string]shape }
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		service, _, _ := strings.Cut(filepath.Base(file), "-additions")
		service = strings.TrimSuffix(service, ".json")
		for name, s := range m.Shapes {
			had := all[service+"."+name]
			all[service+"."+name] = shape{had.Pattern + s.Pattern, had.RE2 + s.RE2}
		}
	}
	n := 0
	for name, s := range all {
		if s.Pattern == "" {
			continue
		}
		n++
		if err := api.NewPattern(s.Pattern, s.RE2).Compile(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n < 80 {
		t.Errorf("only %d patterns found", n)
	}
}

func BenchmarkPatternPolicy128KiB(b *testing.B) {
	p := api.NewPattern(`[\u0009\u000A\u000D\u0020-\u00FF]+`, "")
	policy := strings.Repeat(`{"Effect":"Allow"}`, 128<<10/18)
	b.SetBytes(int64(len(policy)))
	for b.Loop() {
		if !p.Match(policy) {
			b.Fatal("no match")
		}
	}
}
