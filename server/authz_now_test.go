package server_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	kmsclient "github.com/aws/aws-sdk-go-v2/service/kms"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/sts"
)

// onOneConnection is a client of KMS that counts the connections it opens.
func onOneConnection(kit *testkit.Kit, as aws.CredentialsProvider, opened *atomic.Int32) *kmsclient.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		opened.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	return kmsclient.New(kmsclient.Options{
		BaseEndpoint: &kit.URL, Region: region, Credentials: as, RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: transport},
	})
}

// TestNextCall: a change counts for the very next call, over a connection that
// was open before it.
func TestNextCall(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	api, user, group := kit.IAM(), "ann", "staff"
	_, credentials := kit.UserWithKey(user)
	keyID := must(credentials.Retrieve(ctx)).AccessKeyID
	key := kit.NewKey(region)
	_ = must(api.CreateGroup(ctx, &iamclient.CreateGroupInput{GroupName: &group}))
	_ = must(api.PutGroupPolicy(ctx, &iamclient.PutGroupPolicyInput{GroupName: &group, PolicyName: new("use"), PolicyDocument: new(allOfKMS)}))
	all := rights(t, kit, user, keyID, key)
	if err := all["DetachUserPolicy"].take(); err != nil {
		t.Fatal(err)
	}
	delete(all, "DetachUserPolicy") // the group is what ann has it by
	all["RemoveUserFromGroup"] = right{func() error {
		_, err := api.RemoveUserFromGroup(ctx, &iamclient.RemoveUserFromGroupInput{GroupName: &group, UserName: &user})
		return err
	}, func() error {
		_, err := api.AddUserToGroup(ctx, &iamclient.AddUserToGroupInput{GroupName: &group, UserName: &user})
		return err
	}, "AccessDeniedException"}
	all["DeleteGroupPolicy"] = right{func() error {
		_, err := api.DeleteGroupPolicy(ctx, &iamclient.DeleteGroupPolicyInput{GroupName: &group, PolicyName: new("use")})
		return err
	}, func() error {
		_, err := api.PutGroupPolicy(ctx, &iamclient.PutGroupPolicyInput{GroupName: &group, PolicyName: new("use"), PolicyDocument: new(allOfKMS)})
		return err
	}, "AccessDeniedException"}
	all["DisableKey"] = right{func() error {
		_, err := kit.KMS(region).DisableKey(ctx, &kmsclient.DisableKeyInput{KeyId: &key})
		return err
	}, func() error {
		_, err := kit.KMS(region).EnableKey(ctx, &kmsclient.EnableKeyInput{KeyId: &key})
		return err
	}, "DisabledException"}

	var opened atomic.Int32
	client := onOneConnection(kit, credentials, &opened)
	want := func(what, code string) {
		t.Helper()
		_, err := client.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
		if got := codeOf(err); err != nil && got == "" || got != code {
			t.Errorf("%s: %q (%v), want %q", what, got, err, code)
		}
	}
	want("a new user", "AccessDeniedException")
	if err := all["RemoveUserFromGroup"].give(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for name, r := range all {
			want("before "+name, "")
			if err := r.take(); err != nil {
				t.Error(err)
			}
			want("after "+name, r.code)
			if err := r.give(); err != nil {
				t.Error(err)
			}
		}
	}
	want("at the end", "")
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// TestNextCallOfSession: sessions end where their role's rights do, are revoked
// or deleted, over a connection that was open before.
func TestNextCallOfSession(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	user, credentials := kit.UserWithKey("ann")
	_ = must(kit.IAM().PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: new("ann"), PolicyName: new("assume"),
		PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)}))
	role := kit.RoleTrusting("ops", "")
	key := kit.NewKey(region)
	grant := func() {
		_ = must(kit.IAM().PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: new("ops"), PolicyName: new("use"), PolicyDocument: new(allOfKMS)}))
	}
	assume := func() *kmsclient.Client {
		out := must(kit.STSWith(region, credentials).AssumeRole(ctx, &stsclient.AssumeRoleInput{RoleArn: new(role.ARN()), RoleSessionName: new("s1")}))
		return onOneConnection(kit, testkit.Temporary(out.Credentials), new(atomic.Int32))
	}
	client := assume()
	want := func(what, code string) {
		t.Helper()
		_, err := client.Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
		if got := codeOf(err); err != nil && got == "" || got != code {
			t.Errorf("%s: %q (%v), want %q", what, got, err, code)
		}
	}
	want("role without policies", "AccessDeniedException")
	grant()
	want("role with a policy", "")
	_ = must(kit.IAM().DeleteRolePolicy(ctx, &iamclient.DeleteRolePolicyInput{RoleName: new("ops"), PolicyName: new("use")}))
	want("policy deleted", "AccessDeniedException")
	grant()
	want("policy again", "")
	kit.Update(func(tx store.Tx) error { return kit.Identities.RevokeSessions(tx, role.ID) })
	want("revoked", "ExpiredTokenException")
	client = assume()
	want("a session after", "")
	_ = must(kit.IAM().PutRolePolicy(ctx, &iamclient.PutRolePolicyInput{RoleName: new("ops"), PolicyName: new("old"),
		PolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*",
			"Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + kit.Now().Add(time.Minute).UTC().Format(time.RFC3339) + `"}}}]}`)}))
	want("issued before a moment (rule 10.5)", "AccessDeniedException")
	kit.Offset.Store(int64(2 * time.Minute))
	client = assume()
	want("issued after it", "")
	kit.Offset.Store(int64(2 * time.Hour))
	want("expired", "ExpiredTokenException")

	own := must(kit.Sessions.UserSession(ctx, principalOf(user), 0, sts.MFA{}))
	_ = must(kit.IAM().PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: new("ann"), PolicyName: new("use"), PolicyDocument: new(allOfKMS)}))
	client = onOneConnection(kit, temporary(own), new(atomic.Int32))
	want("session of a user", "")
	_ = must(kit.IAM().DeleteUserPolicy(ctx, &iamclient.DeleteUserPolicyInput{UserName: new("ann"), PolicyName: new("use")}))
	want("user's policy deleted", "AccessDeniedException")
}

// TestMadeAgain: rule 2.4: who is made again under an old name inherits nothing,
// and the key policy shows whom it meant.
func TestMadeAgain(t *testing.T) {
	kit := testkit.Start(t)
	ctx := t.Context()
	old, credentials := kit.UserWithKey("ann")
	key := kit.NewKey(region)
	text := strings.Replace(administration, `"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"`+old.ARN()+`"},"Action":"kms:Encrypt","Resource":"*"},`, 1)
	_ = must(kit.KMS(region).PutKeyPolicy(ctx, &kmsclient.PutKeyPolicyInput{KeyId: &key, Policy: &text}))
	use := func(as aws.CredentialsProvider) error {
		_, err := kit.KMSWith(region, as).Encrypt(ctx, &kmsclient.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
		return err
	}
	shown := func() string {
		return *must(kit.KMS(region).GetKeyPolicy(ctx, &kmsclient.GetKeyPolicyInput{KeyId: &key})).Policy
	}
	if err := use(credentials); err != nil {
		t.Error(err)
	}
	if got := shown(); got != text {
		t.Errorf("shown: %s", got)
	}
	keyID := must(credentials.Retrieve(ctx)).AccessKeyID
	_ = must(kit.IAM().DeleteAccessKey(ctx, &iamclient.DeleteAccessKeyInput{UserName: new("ann"), AccessKeyId: &keyID}))
	_ = must(kit.IAM().DeleteUser(ctx, &iamclient.DeleteUserInput{UserName: new("ann")}))
	refused(t, "deleted", use(credentials), "UnrecognizedClientException", "The security token included in the request is invalid")
	again, credentials := kit.UserWithKey("ann")
	if again.ARN() != old.ARN() || again.ID == old.ID {
		t.Errorf("%s %s, before %s", again.ARN(), again.ID, old.ID)
	}
	refused(t, "made again", use(credentials), "AccessDeniedException", "because no resource-based policy allows the kms:Encrypt action")
	if got := shown(); !strings.Contains(got, `"`+old.ID+`"`) || strings.Contains(got, again.ID) || strings.Contains(got, old.ARN()) {
		t.Errorf("shown: %s", got)
	}
}

// TestOvertaken: who loses a right cannot undo that with a change of their own that
// was under way at the time, even where both share a commit.
func TestOvertaken(t *testing.T) {
	r := startRuled(t)
	const all = `{"Effect":"Allow","Action":"iam:*","Resource":"*"}`
	put := func(as aws.CredentialsProvider, statements string) error {
		_, err := r.IAMWith(as).PutUserPolicy(context.Background(), &iamclient.PutUserPolicyInput{
			UserName: new("ann"), PolicyName: new("p"), PolicyDocument: document(statements),
		})
		return err
	}
	for range 25 {
		r.annMay(all)
		group, denied := new(sync.WaitGroup), new(atomic.Bool)
		for range 6 {
			group.Go(func() {
				for put(r.ann, all) == nil && !denied.Load() {
				}
			})
		}
		r.annMay(`{"Effect":"Deny","Action":"iam:*","Resource":"*"}`)
		denied.Store(true)
		group.Wait()
		if code := codeOf(put(r.ann, all)); code != "AccessDenied" {
			t.Fatalf("ann wrote over what denies: %q", code)
		}
	}
}
