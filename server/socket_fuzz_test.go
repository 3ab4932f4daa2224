package server_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
)

// FuzzChallengeJSON: what is taken as a question or an answer means the same to
// every reader, and keeps what the specification promises to the person.
func FuzzChallengeJSON(f *testing.F) {
	for _, text := range []string{
		`{"user": "alice", "purpose": "sudo on db1", "methods": ["totp", "piv"], "ttl_seconds": 60}`,
		`{"user":"root","purpose":"\u00fcber","credentials":true,"duration_seconds":900}`,
		`{"code": "123456"}`,
		`{"device":"arn:aws:iam::111122223333:mfa/k","signature":"MEUCIQ=="}`,
		`{"code":"1","code":"2"}`, `{"Code":"1"}`, `{"code":"1"}{}`, `{"code":null}`, `[]`, `"\ud800"`, "{\"user\":\"\xff\"}", `{"ttl_seconds":6e1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if ask, err := server.ReadAsk(body); err == nil {
			same(t, body, ask, new(protocol.Ask))
			if n := utf8.RuneCountInString(ask.Purpose); n < 1 || n > 200 || strings.ContainsFunc(ask.Purpose, func(r rune) bool {
				return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
			}) {
				t.Errorf("purpose %q", ask.Purpose)
			}
			if ask.User == "" || len(ask.User) > 64 || ask.TTLSeconds != 0 && (ask.TTLSeconds < 5 || ask.TTLSeconds > 600) {
				t.Errorf("%+v", ask)
			}
		}
		if answer, err := server.ReadAnswer(body); err == nil {
			same(t, body, answer, new(protocol.Answer))
			if (answer.Code == "") == (answer.Device == "") || (answer.Device == "") != (len(answer.Signature) == 0) {
				t.Errorf("%+v", answer)
			}
		}
	})
}

// same checks that the standard library reads it the same way.
func same[T any](t *testing.T, body []byte, got T, into *T) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Errorf("%q: %v", body, err)
		return
	}
	if a, b := jsonOf(t, got), jsonOf(t, *into); a != b {
		t.Errorf("%q: %s and %s", body, a, b)
	}
}
