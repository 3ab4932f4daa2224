package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/internal/testkit"
)

const (
	jsonContent = "application/x-amz-json-1.1"
	formContent = "application/x-www-form-urlencoded"
)

// A wire request, to be signed unless it says otherwise.
type wireRequest struct {
	method, path, target, content, body, service string
	unsigned                                     bool
}

func (w wireRequest) send(t *testing.T, kit *testkit.Kit) (status int, code, body string) {
	t.Helper()
	if w.method == "" {
		w.method = http.MethodPost
	}
	if w.service == "" {
		w.service = "kms"
	}
	r, err := http.NewRequestWithContext(t.Context(), w.method, kit.URL+"/"+w.path, strings.NewReader(w.body))
	if err != nil {
		t.Fatal(err)
	}
	if w.content != "" {
		r.Header.Set("Content-Type", w.content)
	}
	if w.target != "" {
		r.Header.Set("X-Amz-Target", w.target)
	}
	if !w.unsigned {
		kit.Sign(r, []byte(w.body), w.service, "eu-1")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Amzn-Requestid") == "" {
		t.Error("no X-Amzn-RequestId")
	}
	return resp.StatusCode, errorCode(string(text)), string(text)
}

// TestHostileRequests: whatever comes, the answer is AWS's error, and one event.
func TestHostileRequests(t *testing.T) {
	kit := testkit.Start(t)
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for name, c := range map[string]struct {
		wireRequest
		status int
		code   string
	}{
		"unknown operation":      {wireRequest{target: "TrentService.Frobnicate", content: jsonContent, body: "{}"}, 400, "UnknownOperationException"},
		"unknown service":        {wireRequest{target: "DynamoDB_20120810.ListTables", content: jsonContent, body: "{}"}, 400, "UnknownOperationException"},
		"target without dot":     {wireRequest{target: "ListKeys", content: jsonContent, body: "{}"}, 400, "UnknownOperationException"},
		"wrong content type":     {wireRequest{target: "TrentService.ListKeys", content: "text/plain", body: "{}"}, 400, "UnknownOperationException"},
		"no content type":        {wireRequest{target: "TrentService.ListKeys", body: "{}"}, 400, "UnknownOperationException"},
		"wrong method":           {wireRequest{method: "PUT", target: "TrentService.ListKeys", content: jsonContent, body: "{}"}, 400, "UnknownOperationException"},
		"malformed JSON":         {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: "{"}, 400, "SerializationException"},
		"no object":              {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: "[]"}, 400, "SerializationException"},
		"text after the object":  {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: "{} x"}, 400, "SerializationException"},
		"wrong type":             {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: `{"Limit":"ten"}`}, 400, "SerializationException"},
		"number too large":       {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: `{"Limit":99999999999999999999}`}, 400, "SerializationException"},
		"deep nesting":           {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: deep}, 400, "SerializationException"},
		"bad base64":             {wireRequest{target: "TrentService.Encrypt", content: jsonContent, body: `{"KeyId":"alias/a","Plaintext":"!"}`}, 400, "SerializationException"},
		"invalid UTF-8":          {wireRequest{target: "TrentService.DescribeKey", content: jsonContent, body: "{\"KeyId\":\"\xff\"}"}, 400, "SerializationException"},
		"duplicate member":       {wireRequest{target: "TrentService.DescribeKey", content: jsonContent, body: `{"KeyId":"alias/a","KeyId":"alias/b"}`}, 400, "SerializationException"},
		"constraint":             {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: `{"Limit":0}`}, 400, "ValidationException"},
		"missing member":         {wireRequest{target: "TrentService.DescribeKey", content: jsonContent, body: ``}, 400, "ValidationException"},
		"huge body":              {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: strings.Repeat(" ", 2<<20)}, 413, "RequestEntityTooLargeException"},
		"body over the row":      {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: strings.Repeat(" ", 600<<10)}, 413, "RequestEntityTooLargeException"},
		"unsigned":               {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: "{}", unsigned: true}, 400, "MissingAuthenticationTokenException"},
		"signed for another":     {wireRequest{target: "TrentService.ListKeys", content: jsonContent, body: "{}", service: "sts"}, 400, "InvalidSignatureException"},
		"no action":              {wireRequest{content: formContent, body: "", service: "sts"}, 400, "MissingAction"},
		"plain GET":              {wireRequest{method: "GET", service: "sts"}, 400, "MissingAction"},
		"unknown action":         {wireRequest{content: formContent, body: "Action=Frobnicate&Version=2011-06-15", service: "sts"}, 400, "InvalidAction"},
		"unknown version":        {wireRequest{content: formContent, body: "Action=GetCallerIdentity&Version=1999-01-01", service: "sts"}, 400, "InvalidAction"},
		"form twice the same":    {wireRequest{content: formContent, body: "Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15", service: "sts"}, 400, "MalformedInput"},
		"form with bad escape":   {wireRequest{content: formContent, body: "Action=%zz", service: "sts"}, 400, "MalformedInput"},
		"form unsigned":          {wireRequest{content: formContent, body: "Action=GetCallerIdentity&Version=2011-06-15", unsigned: true}, 403, "MissingAuthenticationToken"},
		"form for another":       {wireRequest{content: formContent, body: "Action=GetCallerIdentity&Version=2011-06-15"}, 403, "SignatureDoesNotMatch"},
		"not served yet":         {wireRequest{target: "CloudTrail_20131101.LookupEvents", content: jsonContent, body: "{}", service: "cloudtrail"}, 400, "UnsupportedOperationException"},
		"not served yet, a form": {wireRequest{content: formContent, body: "Action=CreateSAMLProvider&Version=2010-05-08", service: "iam"}, 400, "InvalidAction"},
	} {
		t.Run(name, func(t *testing.T) {
			before := kit.Log.Size()
			status, code, body := c.send(t, kit)
			if status != c.status || code != c.code {
				t.Errorf("HTTP %d %s, want %d %s: %.300s", status, code, c.status, c.code, body)
			}
			if n := len(kit.Events(before)); n != 1 {
				t.Errorf("%d events", n)
			}
		})
	}
}

func TestUnknownMembersAreIgnored(t *testing.T) {
	kit := testkit.Start(t)
	status, _, body := wireRequest{
		target: "TrentService.ListKeys", content: jsonContent, body: `{"Frob":{"x":[1,2,{}]},"limit":0,"Limit":null}`,
	}.send(t, kit)
	if status != 200 || body != `{"Keys":[],"Truncated":false}` {
		t.Errorf("HTTP %d %s", status, body)
	}
}

func TestQueryProtocol(t *testing.T) {
	kit := testkit.Start(t)
	status, _, body := wireRequest{
		content: formContent + "; charset=utf-8", body: "Action=GetCallerIdentity&Version=2011-06-15&Unknown.member.1=x", service: "sts",
	}.send(t, kit)
	want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
		`<UserId>111122223333</UserId><Account>111122223333</Account><Arn>arn:aws:iam::111122223333:root</Arn>` +
		`</GetCallerIdentityResult><ResponseMetadata><RequestId>`
	if status != 200 || !strings.HasPrefix(body, want) {
		t.Errorf("HTTP %d %s", status, body)
	}
}

// TestPresignedCallerIdentity: a presigned GET is how other systems prove who
// is calling.
func TestPresignedCallerIdentity(t *testing.T) {
	kit := testkit.Start(t)
	url := kit.Presign("?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", "sts", "eu-1")
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || !strings.Contains(body.String(), ":root</Arn>") {
		t.Errorf("HTTP %d %s", resp.StatusCode, body.String())
	}
	resp, err = http.Get(strings.Replace(url, "GetCallerIdentity", "GetSessionToken", 1))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 {
		t.Errorf("another action under the same signature: HTTP %d", resp.StatusCode)
	}
}

// TestEventsHoldNoSecrets: neither plaintexts nor ciphertexts get into the log,
// the encryption context does.
func TestEventsHoldNoSecrets(t *testing.T) {
	kit := testkit.Start(t)
	body := fmt.Sprintf(`{"KeyId":%q,"Plaintext":"c2VjcmV0","EncryptionContext":{"dept":"it"}}`, kit.NewKey("eu-1"))
	if status, _, answer := (wireRequest{target: "TrentService.Encrypt", content: jsonContent, body: body}).send(t, kit); status != 200 {
		t.Fatalf("HTTP %d %s", status, answer)
	}
	for _, e := range kit.Events(0) {
		if bytes.Contains(e, []byte("c2VjcmV0")) || bytes.Contains(e, []byte(kit.Credentials.Secret)) {
			t.Errorf("secret in event %s", e)
		}
	}
	last := kit.Events(kit.Log.Size() - 1)[0]
	if !bytes.Contains(last, []byte(`"encryptionContext":{"dept":"it"}`)) || bytes.Contains(last, []byte("plaintext")) {
		t.Errorf("event %s", last)
	}
}

// TestEventsNameCredentials: which access key was issued is in the log, its
// secret and session token are not.
func TestEventsNameCredentials(t *testing.T) {
	kit := testkit.Start(t)
	for _, r := range []wireRequest{
		{content: formContent, body: "Action=CreateAccessKey&Version=2010-05-08", service: "iam"},
		{content: formContent, body: "Action=GetSessionToken&Version=2011-06-15", service: "sts"},
	} {
		status, _, body := r.send(t, kit)
		if status != 200 {
			t.Fatalf("HTTP %d %s", status, body)
		}
		part := func(name string) string {
			_, rest, _ := strings.Cut(body, "<"+name+">")
			text, _, _ := strings.Cut(rest, "</"+name+">")
			return text
		}
		last := kit.Events(kit.Log.Size() - 1)[0]
		if id := part("AccessKeyId"); len(id) != 20 || !bytes.Contains(last, []byte(id)) {
			t.Errorf("access key %q is not in %s", id, last)
		}
		for _, name := range []string{"SecretAccessKey", "SessionToken"} {
			if secret := part(name); secret != "" && bytes.Contains(last, []byte(secret)) {
				t.Errorf("%s is in %s", name, last)
			}
		}
		if len(part("SecretAccessKey")) != 40 {
			t.Errorf("answer %s", body)
		}
	}
}
