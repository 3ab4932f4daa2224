package command_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

// wantJSON compares two JSON documents by what they say.
func wantJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

const keyJSON = `{"KeyId":"` + keyID + `","Arn":"` + keyARN + `","AWSAccountId":"111122223333","Aliases":["alias/app"],
	"Description":"records","Enabled":true,"KeyState":"Enabled","KeySpec":"SYMMETRIC_DEFAULT","KeyUsage":"ENCRYPT_DECRYPT",
	"KeyManager":"CUSTOMER","Origin":"AWS_KMS","MultiRegion":false,"EncryptionAlgorithms":["SYMMETRIC_DEFAULT"],
	"CreationDate":"2023-11-14T22:13:20Z"}`

func TestKeyDescribe(t *testing.T) {
	serve(t, map[string]any{"DescribeKey": described("Enabled"), "ListAliases": aliasesAre("alias/app")})
	want := `key           ` + keyID + `
arn           ` + keyARN + `
aliases       alias/app
state         Enabled
spec          SYMMETRIC_DEFAULT
usage         ENCRYPT_DECRYPT
origin        AWS_KMS
created       2023-11-14 22:13:20Z
description   records
`
	if got := ok(t, "", "key", "describe", "alias/app"); got != want {
		t.Errorf("got\n%s", got)
	}
	wantJSON(t, ok(t, "", "key", "describe", keyID, "-o", "json"), keyJSON)
}

// TestKeyListReadsAllPages: of the keys, of the aliases; a key that goes
// meanwhile is left out, one that may not be described is shown by name.
func TestKeyListReadsAllPages(t *testing.T) {
	serve(t, map[string]any{
		"ListKeys": func(in map[string]any) any {
			if in["Marker"] == nil {
				return map[string]any{"Keys": []any{map[string]any{"KeyId": keyID, "KeyArn": keyARN}, map[string]any{"KeyId": "gone", "KeyArn": "gone"}},
					"Truncated": true, "NextMarker": "2"}
			}
			return map[string]any{"Keys": []any{map[string]any{"KeyId": "locked", "KeyArn": "locked"}}}
		},
		"ListAliases": func(in map[string]any) any {
			if in["Marker"] == nil {
				return map[string]any{"Aliases": []any{}, "Truncated": true, "NextMarker": "2"}
			}
			return aliasesAre("alias/app")
		},
		"DescribeKey": func(in map[string]any) any {
			switch in["KeyId"] {
			case "gone":
				return awsError{400, "NotFoundException", "gone"}
			case "locked":
				return awsError{400, "AccessDeniedException", "no"}
			}
			return described("Enabled")
		},
	})
	got := ok(t, "", "key", "list")
	want := []string{"KEY ALIASES SPEC STATE CREATED DESCRIPTION", "locked - -", keyID + " alias/app SYMMETRIC_DEFAULT Enabled 2023-11-14 22:13:20Z records"}
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var doc struct{ Keys []json.RawMessage }
	if err := json.Unmarshal([]byte(ok(t, "", "key", "list", "-o", "json")), &doc); err != nil || len(doc.Keys) != 2 {
		t.Fatalf("%d keys, %v", len(doc.Keys), err)
	}
	wantJSON(t, string(doc.Keys[1]), keyJSON)
}

func TestEmptyListsAreNotNull(t *testing.T) {
	serve(t, map[string]any{"ListKeys": map[string]any{}, "ListAliases": map[string]any{}})
	wantJSON(t, ok(t, "", "key", "list", "-o", "json"), `{"Keys":[]}`)
	wantJSON(t, ok(t, "", "alias", "list", "-o", "json"), `{"Aliases":[]}`)
}

func TestKeyCreate(t *testing.T) {
	s := serve(t, map[string]any{"CreateKey": described("Enabled"), "CreateAlias": map[string]any{},
		"DescribeKey": awsError{400, "NotFoundException", "Alias is not found."}})
	policy := writeTemp(t, "policy.json", `{"Version":"2012-10-17"}`)
	wantJSON(t, ok(t, "", "key", "create", "--alias", "app", "--description", "records", "--policy", policy, "-o", "json"), keyJSON)
	if got := s.ops(); got != "DescribeKey CreateKey CreateAlias" {
		t.Errorf("calls: %s", got)
	}
	if in := s.calls[1].body; in["Description"] != "records" || in["Policy"] != `{"Version":"2012-10-17"}` {
		t.Errorf("CreateKey %v", in)
	}
	if in := s.last(); in["AliasName"] != "alias/app" || in["TargetKeyId"] != keyARN {
		t.Errorf("CreateAlias %v", in)
	}
}

// TestKeyCreateLeavesNoNamelessKey: a name that is taken is seen before a key
// is made; if it goes in between, the key that was made is named.
func TestKeyCreateLeavesNoNamelessKey(t *testing.T) {
	s := serve(t, map[string]any{"DescribeKey": described("Enabled"), "CreateKey": described("Enabled")})
	fails(t, 7, "", []string{"key", "create", "--alias", "app"}, "alias/app: the name is taken; no key was made", "keyctl alias update")
	if got := s.ops(); got != "DescribeKey" {
		t.Errorf("calls: %s", got)
	}
	s.answers["DescribeKey"] = awsError{400, "NotFoundException", ""}
	s.answers["CreateAlias"] = awsError{400, "AlreadyExistsException", "An alias with the name exists."}
	fails(t, 7, "", []string{"key", "create", "--alias", "app"}, "key "+keyARN+" was made, but not its alias", "keyctl alias create NAME "+keyARN)
}

// TestChangesTakeAliases: KMS takes no alias where a key is changed, keyctl does.
func TestChangesTakeAliases(t *testing.T) {
	s := serve(t, map[string]any{"DescribeKey": described("Disabled"), "EnableKey": map[string]any{}, "DisableKey": map[string]any{},
		"UpdateKeyDescription": map[string]any{}, "CancelKeyDeletion": map[string]any{"KeyId": keyARN}, "PutKeyPolicy": map[string]any{},
		"CreateAlias": map[string]any{}, "UpdateAlias": map[string]any{}})
	for _, tc := range []struct {
		op, member string
		args       []string
	}{
		{"EnableKey", "KeyId", []string{"key", "enable", "alias/app"}},
		{"DisableKey", "KeyId", []string{"key", "disable", "alias/app"}},
		{"UpdateKeyDescription", "KeyId", []string{"key", "update", "alias/app", "--description", ""}},
		{"CancelKeyDeletion", "KeyId", []string{"key", "cancel-deletion", "alias/app"}},
		{"PutKeyPolicy", "KeyId", []string{"key", "policy", "put", "alias/app"}},
		{"CreateAlias", "TargetKeyId", []string{"alias", "create", "b", "alias/app"}},
		{"UpdateAlias", "TargetKeyId", []string{"alias", "update", "alias/b", "alias/app"}},
	} {
		s.calls = nil
		ok(t, "{}", tc.args...)
		if len(s.calls) < 2 || s.calls[1].op != tc.op || s.calls[1].body[tc.member] != keyARN {
			t.Errorf("%v: %v", tc.args, s.calls)
		}
	}
	wantJSON(t, ok(t, "", "key", "enable", keyID, "-o", "json"), `{"KeyId":"`+keyARN+`","KeyState":"Disabled"}`)
	if got := ok(t, "", "key", "cancel-deletion", "alias/app"); !strings.Contains(got, "disabled now") || !strings.Contains(got, "keyctl key enable alias/app") {
		t.Errorf("got %q", got)
	}
}

func TestChangeWithoutRightToDescribe(t *testing.T) {
	s := serve(t, map[string]any{"DescribeKey": awsError{400, "AccessDeniedException", "no"}, "EnableKey": map[string]any{}})
	wantJSON(t, ok(t, "", "key", "enable", keyID, "-o", "json"), `{"KeyId":"`+keyID+`"}`)
	s.calls = nil
	fails(t, 3, "", []string{"key", "enable", "alias/app"})
	if got := s.ops(); got != "DescribeKey" {
		t.Errorf("calls: %s", got)
	}
}

func deletable(t *testing.T) *service {
	return serve(t, map[string]any{"DescribeKey": described("Enabled"), "ListAliases": aliasesAre("alias/app", "alias/old"),
		"ScheduleKeyDeletion": func(in map[string]any) any {
			return map[string]any{"KeyId": keyARN, "KeyState": "PendingDeletion", "DeletionDate": 1.8e9, "PendingWindowInDays": in["PendingWindowInDays"]}
		}})
}

func TestPendingWindow(t *testing.T) {
	s := deletable(t)
	for text, days := range map[string]float64{"7d": 7, "7": 7, "30": 30, "2w": 14, "4w": 28} {
		ok(t, "", "key", "delete", keyID, "--yes", "--pending-window", text)
		if got := s.last()["PendingWindowInDays"]; got != days {
			t.Errorf("%s: %v days", text, got)
		}
	}
	ok(t, "", "key", "delete", keyID, "--yes")
	if got := s.last()["PendingWindowInDays"]; got != 30.0 {
		t.Errorf("by default %v days", got)
	}
	s.calls = nil
	for _, text := range []string{"6", "6d", "31", "5w", "0", "-7", "7h", "d", "", "7.5", "99999999999", "4294967303"} {
		fails(t, 2, "", []string{"key", "delete", keyID, "--yes", "--pending-window=" + text}, "days")
	}
	if s.ops() != "" {
		t.Errorf("the service was asked: %s", s.ops())
	}
}

func TestDeletionSaysWhenAndHowToCancel(t *testing.T) {
	deletable(t)
	got := ok(t, "", "key", "delete", "alias/app", "--yes", "--pending-window", "7d")
	if want := keyARN + ": will be destroyed on 2027-01-15 08:00:00Z. To keep it: keyctl key cancel-deletion alias/app\n"; got != want {
		t.Errorf("got %q", got)
	}
	wantJSON(t, ok(t, "", "key", "delete", keyID, "--yes", "--pending-window", "7d", "-o", "json"),
		`{"KeyId":"`+keyARN+`","KeyState":"PendingDeletion","DeletionDate":"2027-01-15T08:00:00Z","PendingWindowInDays":7}`)
}

func TestDeletionIsNotForPipes(t *testing.T) {
	s := deletable(t)
	fails(t, 2, "alias/app\n", []string{"key", "delete", "alias/app"}, "nobody to ask", "--yes")
	if s.ops() != "" {
		t.Errorf("the service was asked: %s", s.ops())
	}
}

// TestConfirmation: the answer must name this key.
func TestConfirmation(t *testing.T) {
	for typed, goesOn := range map[string]bool{
		"alias/app": true, "alias/old": true, keyID[:8]: true, keyID: true, keyARN: true,
		"y": false, "yes": false, "": false, "alias/ap": false, keyID[:7]: false, "alias/other": false, "app": false,
	} {
		s := deletable(t)
		ours, theirs := pty(t)
		fmt.Fprintln(ours, typed)
		var stdout strings.Builder
		code := command.Main([]string{"key", "delete", "alias/app", "--pending-window", "7"}, theirs, &stdout, theirs)
		if scheduled := strings.Contains(s.ops(), "ScheduleKeyDeletion"); scheduled != goesOn || (code == 0) != goesOn {
			t.Errorf("%q: code %d, scheduled: %v", typed, code, scheduled)
		}
		// The key that was shown, even if the alias moves meanwhile.
		if goesOn && s.last()["KeyId"] != keyARN {
			t.Errorf("%q: scheduled %v", typed, s.last()["KeyId"])
		}
	}
}

func TestKeyPolicy(t *testing.T) {
	s := serve(t, map[string]any{"DescribeKey": described("Enabled"), "PutKeyPolicy": map[string]any{},
		"GetKeyPolicy": map[string]any{"Policy": `{"Version":"2012-10-17","Statement":[]}`, "PolicyName": "default"}})
	if got, want := ok(t, "", "key", "policy", "get", keyID), "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": []\n}\n"; got != want {
		t.Errorf("got %q", got)
	}
	wantJSON(t, ok(t, "", "key", "policy", "get", keyID, "-o", "json"),
		`{"KeyId":"`+keyARN+`","PolicyName":"default","Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}`)
	s.calls = nil
	fails(t, 2, "{\n \"a\": 1,\n}", []string{"key", "policy", "put", keyID}, "not JSON: line 3")
	fails(t, 2, "", []string{"key", "policy", "put", keyID}, "not JSON")
	fails(t, 2, strings.Repeat(" ", 40000), []string{"key", "policy", "put", keyID, "-"}, "32,768")
	if s.ops() != "" {
		t.Errorf("the service was asked: %s", s.ops())
	}
	s.answers["PutKeyPolicy"] = awsError{400, "MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."}
	fails(t, 2, "{}", []string{"key", "policy", "put", keyID}, "error: policy contains a statement with one or more invalid principals (Malformed", "hint: ")
}

func TestAliases(t *testing.T) {
	s := serve(t, map[string]any{"DescribeKey": described("Enabled"), "ListAliases": aliasesAre("alias/b", "alias/a"), "DeleteAlias": map[string]any{}})
	if got, want := ok(t, "", "alias", "list", "--key", "alias/a"), "ALIAS     KEY                                    UPDATED\n"+
		"alias/a   "+keyID+"   2023-11-14 22:13:20Z\nalias/b   "+keyID+"   2023-11-14 22:13:20Z\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	if got := s.last()["KeyId"]; got != keyARN {
		t.Errorf("ListAliases of %v", got)
	}
	ok(t, "", "alias", "delete", "a")
	if got := s.last()["AliasName"]; got != "alias/a" {
		t.Errorf("DeleteAlias of %v", got)
	}
}

func TestCompletionOfKeys(t *testing.T) {
	serve(t, map[string]any{"ListAliases": aliasesAre("alias/app"), "ListKeys": map[string]any{"Keys": []any{map[string]any{"KeyId": keyID, "KeyArn": keyARN}}}})
	for _, line := range [][]string{{"key", "describe", ""}, {"encrypt", "--key", ""}, {"alias", "create", "x", ""}} {
		r := keyctl("", append([]string{"__complete"}, line...)...)
		if !strings.Contains(r.stdout, "alias/app\t"+keyID+"\n") || !strings.Contains(r.stdout, "\n"+keyID+"\n") {
			t.Errorf("%v: %q", line, r.stdout)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	if r := keyctl("", "__complete", "key", "describe", ""); r.code != 0 || strings.Contains(r.stderr, "error") {
		t.Errorf("without keyd: %+v", r)
	}
}
