package command_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sessionXML is STS's answer to AssumeRole, ending at a time.
func sessionXML(end time.Time) string {
	return `<Credentials><AccessKeyId>ASIAONE</AccessKeyId><SecretAccessKey>it's secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>` +
		end.UTC().Format(time.RFC3339) + `</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId>
		<Arn>arn:aws:sts::111122223333:assumed-role/r/s</Arn></AssumedRoleUser>`
}

func TestAssumeRole(t *testing.T) {
	t.Setenv("LOGNAME", "al ice")
	end := time.Date(2036, 1, 2, 3, 4, 5, 0, time.UTC)
	s := serveQuery(t, map[string]any{"AssumeRole": sessionXML(end)})
	got := ok(t, "", "assume-role", "r", "--duration", "30m", "--external-id", "x", "--tag", "k=v")
	if want := "export AWS_ACCESS_KEY_ID='ASIAONE'\nexport AWS_SECRET_ACCESS_KEY='it'\\''s secret'\nexport AWS_SESSION_TOKEN='token'\nexport AWS_CREDENTIAL_EXPIRATION='2036-01-02T03:04:05Z'\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	form := s.call(t, "AssumeRole")
	for name, want := range map[string]string{"RoleArn": "arn:aws:iam::111122223333:role/r", "RoleSessionName": "al-ice",
		"DurationSeconds": "1800", "ExternalId": "x", "Tags.member.1.Key": "k"} {
		if form.Get(name) != want {
			t.Errorf("%s: %s", name, form.Get(name))
		}
	}
	wantJSON(t, ok(t, "", "assume-role", "r", "-o", "json"), `{"Credentials":{"AccessKeyId":"ASIAONE","SecretAccessKey":"it's secret","SessionToken":"token",
		"Expiration":"2036-01-02T03:04:05Z"},"AssumedRoleUser":{"AssumedRoleId":"AROA:s","Arn":"arn:aws:sts::111122223333:assumed-role/r/s"}}`)
	fails(t, 2, "", []string{"assume-role", "r", "--duration", "1500ms"}, "whole seconds")
}

// TestCredentialsCache: kept for the same question by the same caller, in a
// file that only the caller can read, and not to the very end.
func TestCredentialsCache(t *testing.T) {
	end := time.Now().Add(time.Hour)
	s := serveQuery(t, map[string]any{"AssumeRole": func(url.Values) any { return sessionXML(end) }})
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	calls := func() int { return strings.Count(s.ops(), "AssumeRole") }
	run := func(want int, what string, args ...string) {
		t.Helper()
		t.Setenv("KEYCTL_CREDENTIALS_CHAIN", "")
		if got := ok(t, "", append([]string{"credentials", "--role", "r"}, args...)...); !strings.Contains(got, `"Version": 1`) || !strings.Contains(got, `"SessionToken": "token"`) {
			t.Errorf("%s: got %s", what, got)
		}
		if calls() != want {
			t.Errorf("%s: %d calls, want %d", what, calls(), want)
		}
	}
	run(1, "the first time")
	run(1, "again")
	files, err := filepath.Glob(filepath.Join(cache, "keyctl", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept in %v: %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	run(2, "another session name", "--session-name", "other")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
	run(3, "another caller")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")

	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	run(4, "a file that others can read")
	run(4, "the file that replaced it")
	if err := os.WriteFile(files[0], []byte(`{"Version": 1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	run(5, "a broken file")

	run(6, "without cache", "--no-cache")
	if _, err := os.Stat(files[0]); !os.IsNotExist(err) {
		t.Errorf("--no-cache left what was kept: %v", err)
	}
	end = time.Now().Add(4 * time.Minute)
	run(7, "credentials that end soon")
	run(8, "are not used from the cache")
}

// TestCredentialsOfItself: a profile whose credential_process asks for that
// profile does not start programs for ever.
func TestCredentialsOfItself(t *testing.T) {
	s := serveQuery(t, nil)
	t.Setenv("KEYCTL_CREDENTIALS_CHAIN", "a loop")
	fails(t, 2, "", []string{"credentials", "--role", "r", "--profile", "loop"}, `profile "loop": its credential_process asks`)
	if s.ops() != "" {
		t.Errorf("called %s", s.ops())
	}
}

func TestWhoamiOfASession(t *testing.T) {
	serveQuery(t, map[string]any{"GetCallerIdentity": `<Arn>arn:aws:sts::111122223333:assumed-role/deploy/s-1</Arn><UserId>AROA:s-1</UserId><Account>111122223333</Account>`})
	t.Setenv("AWS_SESSION_TOKEN", "token")
	if got := ok(t, "", "whoami"); !strings.Contains(got, "kind         session of a role\n") || !strings.Contains(got, "role         deploy\nsession      s-1\n") || !strings.Contains(got, "do not say when") {
		t.Errorf("got\n%s", got)
	}
	t.Setenv("AWS_CREDENTIAL_EXPIRATION", "2036-01-02T03:04:05Z")
	wantJSON(t, ok(t, "", "whoami", "-o", "json"), `{"UserId":"AROA:s-1","Account":"111122223333","Arn":"arn:aws:sts::111122223333:assumed-role/deploy/s-1",
		"Kind":"session of a role","AccessKeyId":"AKIDEXAMPLE","Temporary":true,"RoleName":"deploy","SessionName":"s-1","Expiration":"2036-01-02T03:04:05Z"}`)
}
