package command_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWhoami(t *testing.T) {
	isolate(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "Action=GetCallerIdentity") || !strings.Contains(r.Header.Get("Authorization"), "/eu-7/sts/aws4_request") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
			<Arn>arn:aws:iam::111122223333:root</Arn><UserId>111122223333</UserId><Account>111122223333</Account>
			</GetCallerIdentityResult></GetCallerIdentityResponse>`)
	}))
	t.Cleanup(server.Close)
	args := []string{"whoami", "--endpoint", server.URL, "--region", "eu-7"}
	if got, want := ok(t, "", args...), "arn          arn:aws:iam::111122223333:root\naccount      111122223333\nuser id      111122223333\nkind         root of the account\naccess key   AKIDEXAMPLE\n"; got != want {
		t.Errorf("got\n%s", got)
	}
	wantJSON(t, ok(t, "", append(args, "-o", "json")...), `{"UserId":"111122223333","Account":"111122223333","Arn":"arn:aws:iam::111122223333:root",
		"Kind":"root of the account","AccessKeyId":"AKIDEXAMPLE","Temporary":false}`)
}
