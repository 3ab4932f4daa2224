package audit_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/audit"
)

func event() audit.Event {
	return audit.Event{
		UserIdentity: audit.UserIdentity{
			Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:alice", ARN: "arn:aws:sts::111122223333:assumed-role/r/alice",
			AccountID: "111122223333", AccessKeyID: "ASIAEXAMPLE",
			SessionContext: &audit.SessionContext{
				SessionIssuer: &audit.SessionIssuer{Type: "Role", ARN: "arn:aws:iam::111122223333:role/r"},
				Attributes:    &audit.SessionAttributes{CreationDate: "2026-01-02T03:00:00Z", MFAAuthenticated: "true"},
			},
		},
		EventTime:           time.Date(2026, 1, 2, 5, 4, 5, 678_000_000, time.FixedZone("", 2*3600)),
		EventSource:         "kms.amazonaws.com",
		EventName:           "Encrypt",
		AWSRegion:           "local-1",
		SourceIPAddress:     "192.0.2.1",
		UserAgent:           "aws-cli/2.9",
		RequestParameters:   json.RawMessage("{\n \"keyId\": \"alias/a\",\n \"encryptionContext\": {\"b\":\"1\",\"a\":\"2\"}\n}"),
		AdditionalEventData: json.RawMessage(`{"keyMaterialId":"m"}`),
		RequestID:           "r-1",
		EventID:             "e-1",
		ReadOnly:            true,
		Resources:           []audit.Resource{{"111122223333", "AWS::KMS::Key", "arn:aws:kms:local-1:111122223333:key/k"}},
		RecipientAccountID:  "111122223333",
		TLSDetails:          &audit.TLSDetails{"TLSv1.3", "TLS_AES_128_GCM_SHA256", "kms.example"},
	}
}

func encode(t *testing.T, e audit.Event) []byte {
	t.Helper()
	line, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(line) > audit.MaxRecord || bytes.IndexFunc(line, func(r rune) bool { return r < 0x20 }) >= 0 || !utf8.Valid(line) || !json.Valid(line) {
		t.Fatalf("not a record of the log: %d bytes, %.200q", len(line), line)
	}
	return line
}

func TestEncode(t *testing.T) {
	want := `{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:alice",` +
		`"arn":"arn:aws:sts::111122223333:assumed-role/r/alice","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE",` +
		`"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/r"},` +
		`"attributes":{"creationDate":"2026-01-02T03:00:00Z","mfaAuthenticated":"true"}}},` +
		`"eventTime":"2026-01-02T03:04:05Z","eventSource":"kms.amazonaws.com","eventName":"Encrypt","awsRegion":"local-1",` +
		`"sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2.9",` +
		`"requestParameters":{"keyId":"alias/a","encryptionContext":{"b":"1","a":"2"}},"responseElements":null,` +
		`"additionalEventData":{"keyMaterialId":"m"},"requestID":"r-1","eventID":"e-1","readOnly":true,` +
		`"resources":[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:local-1:111122223333:key/k"}],` +
		`"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management",` +
		`"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"kms.example"}}`
	if got := string(encode(t, event())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEncodeOmitsWhatIsEmpty(t *testing.T) {
	e := audit.Event{EventTime: time.Unix(0, 0), EventName: "Decrypt", ErrorCode: "AccessDenied"}
	want := `{"eventVersion":"1.11","userIdentity":{},"eventTime":"1970-01-01T00:00:00Z","eventSource":"","eventName":"Decrypt",` +
		`"awsRegion":"","sourceIPAddress":"","errorCode":"AccessDenied","requestParameters":null,"responseElements":null,` +
		`"requestID":"","eventID":"","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,` +
		`"recipientAccountId":"","eventCategory":"Management"}`
	if got := string(encode(t, e)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEncodeIsBounded(t *testing.T) {
	long := json.RawMessage(`"` + strings.Repeat("x", 150<<10) + `"`)
	e := event()
	e.RequestParameters = long
	var got audit.Event
	if err := json.Unmarshal(encode(t, e), &got); err != nil {
		t.Fatal(err)
	}
	if want := `{"omitted":true,"originalSize":153602}`; string(got.RequestParameters) != want {
		t.Errorf("request parameters: %.100s", got.RequestParameters)
	}
	if string(got.AdditionalEventData) != `{"keyMaterialId":"m"}` || got.EventID != "e-1" {
		t.Errorf("other fields: %+v", got)
	}
	if len(e.RequestParameters) != len(long) {
		t.Error("the caller's event was changed")
	}

	// The worst there can be: everything long, and each byte escaped to six.
	ugly := strings.Repeat("\x01", 1<<20)
	uglyDoc := json.RawMessage(`"` + strings.Repeat("<", 99<<10) + `"`)
	e = event()
	e.UserIdentity = audit.UserIdentity{ugly, ugly, ugly, ugly, ugly, ugly, nil, ugly}
	e.EventSource, e.EventName, e.AWSRegion, e.SourceIPAddress, e.UserAgent = ugly, ugly, ugly, ugly, ugly
	e.ErrorCode, e.ErrorMessage, e.RequestID, e.RecipientAccountID = ugly, ugly, ugly, ugly
	e.RequestParameters, e.ResponseElements, e.AdditionalEventData = uglyDoc, uglyDoc, uglyDoc
	e.TLSDetails = &audit.TLSDetails{ClientProvidedHostHeader: ugly}
	for range 1000 {
		e.Resources = append(e.Resources, audit.Resource{ugly[:1000], "", ""})
	}
	encode(t, e)
}

func TestEncodeClipsAtCharacters(t *testing.T) {
	e := event()
	e.UserAgent = "a" + strings.Repeat("ü", 1000)
	var got audit.Event
	if err := json.Unmarshal(encode(t, e), &got); err != nil {
		t.Fatal(err)
	}
	if want := "a" + strings.Repeat("ü", 511); got.UserAgent != want {
		t.Errorf("cut to %d bytes, ends in %q", len(got.UserAgent), got.UserAgent[len(got.UserAgent)-4:])
	}
}

func TestEncodeRefusesMalformed(t *testing.T) {
	e := event()
	e.ResponseElements = json.RawMessage(`{"a":`)
	if line, err := e.Encode(); err == nil {
		t.Errorf("encoded as %s", line)
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	line := encode(t, event())
	var got audit.Event
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(line), string(encode(t, got))); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkEncode(b *testing.B) {
	e := event()
	for b.Loop() {
		if _, err := e.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestEncodeAsEncodingJSON: the encoder written by hand says what encoding/json
// would by the tags of Event, for any content and whatever is left out.
func TestEncodeAsEncodingJSON(t *testing.T) {
	document := rapid.SampledFrom([]string{"", "null", `{}`, `{"a": [1, "<&>"], "b":{"c":null}}`, "{\n}"})
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.StringN(0, 20, 80).Draw(t, name) }
		raw := func(name string) json.RawMessage {
			if s := document.Draw(t, name); s != "" {
				return json.RawMessage(s)
			}
			return nil
		}
		e := audit.Event{
			EventVersion: "1.11", ManagementEvent: true, EventType: "AwsApiCall", EventCategory: "Management",
			UserIdentity: audit.UserIdentity{
				Type: text("type"), PrincipalID: text("principal"), ARN: text("arn"), AccountID: text("account"),
				AccessKeyID: text("key"), UserName: text("name"), InvokedBy: text("by"),
			},
			EventTime:   time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "time"), 0).UTC(),
			EventSource: text("source"), EventName: text("event"), AWSRegion: text("region"), SourceIPAddress: text("ip"),
			UserAgent: text("agent"), ErrorCode: text("code"), ErrorMessage: text("message"),
			RequestParameters: raw("parameters"), ResponseElements: raw("elements"),
			AdditionalEventData: raw("additional"), ServiceEventDetails: raw("details"),
			RequestID: text("request"), EventID: text("id"), ReadOnly: rapid.Bool().Draw(t, "read only"),
			RecipientAccountID: text("recipient"),
		}
		for range rapid.IntRange(0, 2).Draw(t, "resources") {
			e.Resources = append(e.Resources, audit.Resource{text("owner"), text("kind"), text("resource")})
		}
		if rapid.Bool().Draw(t, "tls") {
			e.TLSDetails = &audit.TLSDetails{text("version"), text("suite"), text("host")}
		}
		if rapid.Bool().Draw(t, "session") {
			e.UserIdentity.SessionContext = &audit.SessionContext{Attributes: &audit.SessionAttributes{text("date"), text("mfa")}}
			if rapid.Bool().Draw(t, "issuer") {
				e.UserIdentity.SessionContext.SessionIssuer = &audit.SessionIssuer{text("t"), text("p"), text("a"), text("c"), text("n")}
			}
		}
		got, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatal(diff)
		}
	})
}
