package command_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/keyd-hsm/keyd/cmd/keyctl/command"
)

// TestSessionRevoke: what was made before is denied, what is made after works,
// and access keys are not concerned.
func TestSessionRevoke(t *testing.T) {
	kit := appliance(t)
	_, op := kit.UserWithKey("op")
	ok(t, "", "policy", "attach", "AdministratorAccess", "--user", "op")
	kit.RoleTrusting("deploy", "")
	ok(t, "", "policy", "attach", "AdministratorAccess", "--role", "deploy")
	arn := "arn:aws:iam::111122223333:role/team/deploy"
	session := func() aws.CredentialsProvider {
		k := answer[struct {
			Credentials struct {
				AccessKeyID     string `json:"AccessKeyId"`
				SecretAccessKey string
				SessionToken    string
			}
		}](t, "assume-role", arn).Credentials
		return credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
	}
	become(t, op)
	before := session()
	become(t, before)
	ok(t, "", "key", "list")

	become(t, op)
	fails(t, 2, "", []string{"session", "revoke", "--role", "deploy"}, "nobody to ask")
	fails(t, 2, "", []string{"session", "revoke", "--yes"}, "role")
	doc := answer[struct {
		RoleName, PolicyName string
		Before               time.Time
	}](t, "session", "revoke", "--role", "deploy", "--yes")
	if doc.RoleName != "deploy" || doc.PolicyName != "AWSRevokeOlderSessions" || doc.Before.IsZero() {
		t.Errorf("got %v", doc)
	}
	become(t, before)
	fails(t, 3, "", []string{"key", "list"}, "with an explicit deny in an identity-based policy")

	// The second that was revoked is over when this clock says so.
	become(t, op)
	kit.Offset.Store(int64(2 * time.Second))
	become(t, session())
	ok(t, "", "key", "list")
	become(t, op)
	holds(t, ok(t, "", "policy", "show", "AWSRevokeOlderSessions", "--role", "deploy"), "DateLessThan", "aws:TokenIssueTime")
	for typed, goesOn := range map[string]bool{"op": true, "y": false, "": false} {
		ours, theirs := pty(t)
		fmt.Fprintln(ours, typed)
		var stdout strings.Builder
		if code := command.Main([]string{"session", "revoke", "--user", "op"}, theirs, &stdout, theirs); (code == 0) != goesOn {
			t.Errorf("%q: code %d, %s", typed, code, stdout.String())
		}
	}
	fails(t, 4, "", []string{"session", "revoke", "--user", "nobody", "--yes"}, "(NoSuchEntity)")
}
