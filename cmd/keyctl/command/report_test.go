package command_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestReportCredentials(t *testing.T) {
	const report = "user,user_creation_time,access_key_1_active,access_key_1_last_used_date,access_key_2_active,access_key_2_last_used_date,mfa_active\n" +
		"alice,2026-01-01T00:00:00+00:00,true,N/A,false,N/A,false\n"
	s := serveQuery(t, map[string]any{
		"GenerateCredentialReport": `<State>COMPLETE</State>`,
		"GetCredentialReport":      `<Content>` + base64.StdEncoding.EncodeToString([]byte(report)) + `</Content><ReportFormat>text/csv</ReportFormat>`,
	})
	if got := ok(t, "", "report", "credentials", "--csv"); got != report {
		t.Errorf("got %q", got)
	}
	if got := strings.Split(ok(t, "", "report", "credentials"), "\n"); len(got) != 3 || !strings.HasPrefix(got[1], "alice   2026-01-01T00:00:00+00:00   true ") {
		t.Errorf("got %q", got)
	}
	if got := ok(t, "", "report", "credentials", "-o", "json"); !strings.Contains(got, `"access_key_1_active": "true"`) {
		t.Errorf("got %s", got)
	}
	s.answers["GetCredentialReport"] = `<Content>!!!</Content>`
	if r := keyctl("", "report", "credentials"); r.code != 6 {
		t.Errorf("of a broken report: %+v", r)
	}
}

func TestReportUnused(t *testing.T) {
	ago := func(days int) string { return time.Now().AddDate(0, 0, -days).UTC().Format(time.RFC3339) }
	user := func(name string, created int) string {
		return `<member><UserName>` + name + `</UserName><CreateDate>` + ago(created) + `</CreateDate></member>`
	}
	serveQuery(t, map[string]any{
		"ListUsers": `<Users>` + user("idle", 100) + user("busy", 100) + user("young", 3) + `</Users><IsTruncated>false</IsTruncated>`,
		"ListAccessKeys": func(form url.Values) any {
			name := form.Get("UserName")
			return `<AccessKeyMetadata><member><UserName>` + name + `</UserName><AccessKeyId>AK-` + name + `</AccessKeyId><Status>Active</Status><CreateDate>` +
				ago(3+97*strings.Count("idle busy", name)) + `</CreateDate></member></AccessKeyMetadata><IsTruncated>false</IsTruncated>`
		},
		"GetAccessKeyLastUsed": func(form url.Values) any {
			switch form.Get("AccessKeyId") {
			case "AK-busy":
				return `<UserName>busy</UserName><AccessKeyLastUsed><LastUsedDate>` + ago(2) + `</LastUsedDate></AccessKeyLastUsed>`
			case "AK-idle":
				return `<UserName>idle</UserName><AccessKeyLastUsed><LastUsedDate>` + ago(60) + `</LastUsedDate></AccessKeyLastUsed>`
			}
			return `<AccessKeyLastUsed></AccessKeyLastUsed>`
		},
		"ListRoles": `<Roles><member><RoleName>dusty</RoleName><CreateDate>` + ago(100) + `</CreateDate></member></Roles><IsTruncated>false</IsTruncated>`,
		"GetRole":   `<Role><RoleName>dusty</RoleName><RoleLastUsed></RoleLastUsed></Role>`,
	})
	names := func(args ...string) string {
		var found []string
		for _, line := range strings.Split(ok(t, "", append([]string{"report", "unused"}, args...)...), "\n")[1:] {
			if f := strings.Fields(strings.Replace(line, "access key", "access-key", 1)); len(f) > 1 {
				found = append(found, f[0]+" "+f[1])
			}
		}
		return strings.Join(found, ", ")
	}
	for days, want := range map[string]string{
		"30": "user idle, access-key AK-idle, role dusty", "90": "role dusty", "365": "",
		"1": "user idle, access-key AK-idle, user busy, access-key AK-busy, user young, access-key AK-young, role dusty",
	} {
		if got := names("--days", days); got != want {
			t.Errorf("%s days: %s, want %s", days, got, want)
		}
	}
	fails(t, 2, "", []string{"report", "unused", "--days", "-1"}, "--days -1")
}

func TestAccessKeys(t *testing.T) {
	key := func(id string) string {
		return `<member><UserName>alice</UserName><AccessKeyId>` + id + `</AccessKeyId><Status>Active</Status></member>`
	}
	list := func(keys string) string {
		return `<AccessKeyMetadata>` + keys + `</AccessKeyMetadata><IsTruncated>false</IsTruncated>`
	}
	s := serveQuery(t, map[string]any{
		"ListAccessKeys": list(key("AKIAOLD")),
		"CreateAccessKey": `<AccessKey><UserName>alice</UserName><AccessKeyId>AKIANEW</AccessKeyId><Status>Active</Status>
			<SecretAccessKey>the-secret</SecretAccessKey><CreateDate>2026-01-02T03:04:05Z</CreateDate></AccessKey>`,
		"GetAccessKeyLastUsed": `<UserName>alice</UserName>`,
		"UpdateAccessKey":      "",
	})
	r := keyctl("", "access-key", "rotate", "alice")
	if r.code != 0 || !strings.Contains(r.stdout, "the-secret") || strings.Contains(r.stderr, "the-secret") ||
		r.stderr != "hint: when everything uses the new key: keyctl access-key disable AKIAOLD --user alice\n" {
		t.Errorf("%+v", r)
	}
	s.answers["ListAccessKeys"] = list(key("AKIAONE") + key("AKIATWO"))
	fails(t, 7, "", []string{"access-key", "rotate", "alice"}, "AKIAONE AKIATWO", "keyctl access-key delete")

	// Whose key it is need not be said, if the caller may ask.
	ok(t, "", "access-key", "disable", "AKIAOLD")
	if form := s.call(t, "UpdateAccessKey"); form.Get("UserName") != "alice" || form.Get("Status") != "Inactive" {
		t.Errorf("sent %v", form)
	}
	s.answers["GetAccessKeyLastUsed"] = awsError{403, "AccessDenied", "no"}
	ok(t, "", "access-key", "enable", "AKIAOLD")
	if form := s.call(t, "UpdateAccessKey"); form.Has("UserName") || form.Get("Status") != "Active" {
		t.Errorf("sent %v", form)
	}
}
