package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
)

const roleARN = "arn:aws:iam::111122223333:role/team/"

// trusting is a trust policy that names who may assume a role, for what, and on
// what conditions. One that names a user or role needs nothing else (rule 10.4).
func trusting(principal, actions, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + condition + `}]}`
}

// assume calls AssumeRole, changed as a case asks.
func assume(t *testing.T, kit *testkit.Kit, as aws.CredentialsProvider, role string, change func(*stsclient.AssumeRoleInput)) (*stsclient.AssumeRoleOutput, error) {
	t.Helper()
	in := &stsclient.AssumeRoleInput{RoleArn: aws.String(roleARN + role), RoleSessionName: aws.String("s1")}
	if change != nil {
		change(in)
	}
	return kit.STSWith(region, as).AssumeRole(t.Context(), in)
}

// TestAssumeRole: the answer, and who the session is.
func TestAssumeRole(t *testing.T) {
	kit := testkit.Start(t)
	user, key := kit.UserWithKey("ann")
	role := kit.RoleTrusting("ops", trusting(user.ARN(), `"sts:*"`, ""))
	out, err := assume(t, kit, key, "ops", func(in *stsclient.AssumeRoleInput) {
		in.DurationSeconds, in.SourceIdentity = aws.Int32(900), aws.String("ann@corp")
		in.Tags = []types.Tag{{Key: aws.String("dept"), Value: aws.String("it")}}
	})
	if err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:sts::111122223333:assumed-role/ops/s1"
	if *out.AssumedRoleUser.Arn != arn || *out.AssumedRoleUser.AssumedRoleId != role.ID+":s1" ||
		*out.SourceIdentity != "ann@corp" || *out.PackedPolicySize < 1 {
		t.Errorf("%s %s, source identity %s", *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId, *out.SourceIdentity)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 15*time.Minute || left < 14*time.Minute {
		t.Errorf("ends in %v", left)
	}
	if got := identityOf(t, kit, testkit.Temporary(out.Credentials)); !strings.HasSuffix(got, arn) {
		t.Error(got)
	}
	_, err = assume(t, kit, key, "ops", func(in *stsclient.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7201) })
	refused(t, "too long", err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	_, err = assume(t, kit, key, "ops", func(in *stsclient.AssumeRoleInput) {
		in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::111122223333:policy/none")}}
	})
	refused(t, "policy that is not there", err, "MalformedPolicyDocument", "does not exist")
	// The user made anew under the name is not the one that is trusted.
	kit.Update(func(tx store.Tx) error {
		keys, _, err := kit.Identities.AccessKeys(tx, "ann", iam.Page{})
		if err != nil {
			return err
		}
		if err := kit.Identities.DeleteAccessKey(tx, "ann", keys[0].ID); err != nil {
			return err
		}
		return kit.Identities.DeleteUser(tx, "ann")
	})
	_, key = kit.UserWithKey("ann")
	_, err = assume(t, kit, key, "ops", nil)
	refused(t, "user made anew", err, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: "+roleARN+"ops")
}

// TestTrustConditions: what AssumeRole gives a trust policy to ask about, and
// the actions that a request comes to (section 12, rule 10.4).
func TestTrustConditions(t *testing.T) {
	kit := testkit.Start(t)
	user, key := kit.UserWithKey("ann")
	tags := func(in *stsclient.AssumeRoleInput) {
		in.Tags = []types.Tag{{Key: aws.String("dept"), Value: aws.String("it")}}
		in.TransitiveTagKeys = []string{"dept"}
	}
	for _, c := range []struct {
		role, actions, condition string
		change                   func(*stsclient.AssumeRoleInput)
		denied                   string // the action, "" for allowed
	}{
		{"external", `"sts:AssumeRole"`, `{"StringEquals":{"sts:ExternalId":"x/42"}}`, func(in *stsclient.AssumeRoleInput) { in.ExternalId = aws.String("x/42") }, ""},
		{"external-not", `"sts:AssumeRole"`, `{"StringEquals":{"sts:ExternalId":"x/42"}}`, nil, "sts:AssumeRole"},
		{"named", `"sts:AssumeRole"`, `{"StringEquals":{"sts:RoleSessionName":"s1"}}`, nil, ""},
		{"named-not", `"sts:AssumeRole"`, `{"StringEquals":{"sts:RoleSessionName":"s2"}}`, nil, "sts:AssumeRole"},
		{"short", `"sts:AssumeRole"`, `{"NumericLessThanEquals":{"sts:DurationSeconds":"900"}}`, func(in *stsclient.AssumeRoleInput) { in.DurationSeconds = aws.Int32(901) }, "sts:AssumeRole"},
		{"tagged", `["sts:AssumeRole","sts:TagSession"]`, `{"StringEquals":{"aws:RequestTag/Dept":"it"},"ForAllValues:StringEquals":{"aws:TagKeys":["dept"],"sts:TransitiveTagKeys":["dept"]}}`, tags, ""},
		{"tagged-not", `"sts:AssumeRole"`, ``, tags, "sts:TagSession"},
		{"identity", `["sts:AssumeRole","sts:SetSourceIdentity"]`, `{"StringEquals":{"sts:SourceIdentity":"ann"}}`, func(in *stsclient.AssumeRoleInput) { in.SourceIdentity = aws.String("ann") }, ""},
		{"identity-not", `"sts:AssumeRole"`, ``, func(in *stsclient.AssumeRoleInput) { in.SourceIdentity = aws.String("ann") }, "sts:SetSourceIdentity"},
	} {
		kit.RoleTrusting(c.role, trusting(user.ARN(), c.actions, c.condition))
		_, err := assume(t, kit, key, c.role, c.change)
		if c.denied != "" {
			refused(t, c.role, err, "AccessDenied", "is not authorized to perform: "+c.denied)
		} else if err != nil {
			t.Errorf("%s: %v", c.role, err)
		}
	}
}

// TestRoleChain: a session assumes a role that trusts its role; tags and source
// identity go on, and must be allowed to (rules 10.3, 10.4).
func TestRoleChain(t *testing.T) {
	kit := testkit.Start(t)
	user, key := kit.UserWithKey("ann")
	first := kit.RoleTrusting("first", trusting(user.ARN(), `"sts:*"`, ""))
	kit.RoleTrusting("second", trusting(first.ARN(), `"sts:*"`, ""))
	kit.RoleTrusting("bare", trusting(first.ARN(), `"sts:AssumeRole"`, ""))
	out, err := assume(t, kit, key, "first", func(in *stsclient.AssumeRoleInput) {
		in.SourceIdentity, in.TransitiveTagKeys = aws.String("ann@corp"), []string{"Project"}
		in.Tags = []types.Tag{{Key: aws.String("Project"), Value: aws.String("atlas")}}
	})
	if err != nil {
		t.Fatal(err)
	}
	session := testkit.Temporary(out.Credentials)
	_, err = assume(t, kit, session, "second", func(in *stsclient.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) })
	refused(t, "chained for long", err, "ValidationError", "1 hour session limit for roles assumed by role chaining")
	_, err = assume(t, kit, session, "second", func(in *stsclient.AssumeRoleInput) { in.SourceIdentity = aws.String("bob") })
	refused(t, "another source identity", err, "ValidationError", "The source identity is already set for this assume role session")
	_, err = assume(t, kit, session, "bare", nil)
	refused(t, "handed on where it may not", err, "AccessDenied", "is not authorized to perform: sts:SetSourceIdentity")
	if out, err = assume(t, kit, session, "second", nil); err != nil {
		t.Fatal(err)
	}
	p, err := kit.Sessions.Verify(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"Project": "atlas"}, p.Tags); diff != "" || *out.SourceIdentity != "ann@corp" {
		t.Errorf("source identity %s, tags (-want +got):\n%s", *out.SourceIdentity, diff)
	}
}

// TestWebIdentity: a real OIDC token gives a session of the role that trusts its
// issuer, with what the token said as condition keys.
func TestWebIdentity(t *testing.T) {
	kit, idp := withProvider(t)
	role := kit.RoleTrusting("pods", webTrust)
	out, err := webIdentity(t, kit, role.ARN(), idp.Token(idpClient, "pod-1", nil))
	if err != nil {
		t.Fatal(err)
	}
	if *out.Provider != idpURL || *out.Audience != idpClient || *out.SubjectFromWebIdentityToken != "pod-1" ||
		*out.AssumedRoleUser.AssumedRoleId != role.ID+":s1" {
		t.Errorf("%s %s %s %s", *out.Provider, *out.Audience, *out.SubjectFromWebIdentityToken, *out.AssumedRoleUser.AssumedRoleId)
	}
	if got := identityOf(t, kit, testkit.Temporary(out.Credentials)); !strings.HasSuffix(got, ":assumed-role/pods/s1") {
		t.Error(got)
	}
	_, err = webIdentity(t, kit, role.ARN(), idp.Token(idpClient, "admin", nil))
	refused(t, "another subject", err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	// What the session may do is the role's policies' affair: nothing.
	_, err = kit.KMSWith(region, testkit.Temporary(out.Credentials)).ListKeys(t.Context(), &kms.ListKeysInput{})
	refused(t, "a role without policies", err, "AccessDeniedException", "assumed-role/pods/s1 is not authorized to perform: kms:ListKeys")
}
