package command_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// verbs walks the help and returns every command that does something.
func verbs(t *testing.T, parent ...string) [][]string {
	t.Helper()
	help := ok(t, "", append(slices.Clone(parent), "--help")...)
	_, list, found := strings.Cut(help, "Available Commands:\n")
	if !found {
		return [][]string{parent}
	}
	list, _, _ = strings.Cut(list, "\n\n")
	var all [][]string
	for line := range strings.Lines(list) {
		if name := strings.Fields(line)[0]; name != "help" {
			all = append(all, verbs(t, append(slices.Clone(parent), name)...)...)
		}
	}
	return all
}

// TestHelp: each verb shows how it is typed, and each example is a verb.
func TestHelp(t *testing.T) {
	all := verbs(t)
	if len(all) < 20 {
		t.Fatalf("only %d verbs found: %v", len(all), all)
	}
	for _, verb := range all {
		name := "keyctl " + strings.Join(verb, " ")
		help := ok(t, "", append(slices.Clone(verb), "--help")...)
		_, example, found := strings.Cut(help, "Examples:\n")
		if !found || !strings.Contains(example, name) {
			t.Errorf("%s: no example of itself", name)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	isolate(t)
	for _, args := range [][]string{
		{"bogus"}, {"key", "bogus"}, {"key", "policy", "bogus"}, {"alias", "bogus"}, {"audit", "bogus"},
		{"whoami", "extra"}, {"--bogus"}, {"key", "describe"}, {"key", "list", "x"}, {"alias", "create", "x"},
		{"-o", "xml", "version"}, {"--timeout", "soon", "version"}, {"completion", "tcsh"},
	} {
		fails(t, 2, "", args, "hint: ")
	}
	fails(t, 2, "", []string{"key", "delet"}, "did you mean keyctl key delete?")
}

func TestTopics(t *testing.T) {
	codes := ok(t, "", "help", "exit-codes")
	for code := range 9 {
		if !regexp.MustCompile(`(?m)^  ` + string(rune('0'+code)) + `  \w`).MatchString(codes) {
			t.Errorf("exit code %d is not documented", code)
		}
	}
	output := ok(t, "", "help", "output")
	for _, verb := range verbs(t) {
		if verb[0] != "completion" && !strings.Contains(output, verb[len(verb)-1]) {
			t.Errorf("the JSON of %v is not documented", verb)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := ok(t, "", "completion", shell); !strings.Contains(got, "keyctl") {
			t.Errorf("%s: %q", shell, got)
		}
	}
}

func TestVersion(t *testing.T) {
	if got := ok(t, "", "version"); !strings.HasPrefix(got, "keyctl ") {
		t.Errorf("got %q", got)
	}
}
