package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// ruleRow is a row of the table in docs/authorization.md.
	ruleRow = regexp.MustCompile(`(?m)^\| (\d+(?:\.\d+)?(?: – \d+\.\d+)?) \| (.*) \| ([a-z, ]+) \|$`)
	// A test names rules by a subtest, or in a comment.
	ruleSubtest = regexp.MustCompile(`"(\d+(?:\.\d+)?) [^"]*"`)
	ruleComment = regexp.MustCompile(`(?:rules?|sections?|Sections?) (\d+(?:\.\d+)?(?:(?:, | and |, rule )\d+(?:\.\d+)?)*)`)
	ruleNumber  = regexp.MustCompile(`\d+(?:\.\d+)?`)
)

// rulesNamed are the rules that the tests of a package name.
func rulesNamed(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", dir, err)
	}
	named := map[string]bool{}
	for _, file := range files {
		text := string(must(os.ReadFile(file)))
		for _, m := range ruleSubtest.FindAllStringSubmatch(text, -1) {
			named[m[1]] = true
		}
		for _, m := range ruleComment.FindAllStringSubmatch(text, -1) {
			for _, rule := range ruleNumber.FindAllString(m[1], -1) {
				named[rule] = true
			}
		}
	}
	return named
}

// TestEveryRuleIsTested: each rule of docs/authorization.md is named by a test in
// every package that the page says.
func TestEveryRuleIsTested(t *testing.T) {
	rows := ruleRow.FindAllStringSubmatch(string(must(os.ReadFile(authorizationDoc))), -1)
	named, known := map[string]map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		rule, where := row[1], row[3]
		known[rule] = true
		for _, dir := range strings.Split(where, ", ") {
			if named[dir] == nil {
				named[dir] = rulesNamed(t, dir)
			}
			if !named[dir][rule] {
				t.Errorf("no test in %s names rule %s", dir, rule)
			}
		}
	}
	if want := 57; len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	for _, rule := range strings.Fields("1.1 1.5 2.5 3.8 4.10 5.5 6.2 8.2 9.3 10.5 11 12 13") {
		if !known[rule] {
			t.Errorf("no row for rule %s", rule)
		}
	}
}
