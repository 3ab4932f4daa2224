package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	stsclient "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
)

// TestSocketCredentials: where rule and policies allow it, a yes comes with
// credentials that carry its facts, once.
func TestSocketCredentials(t *testing.T) {
	kit := testkit.Start(t)
	p := enrolled(t, kit, "alice")
	c, ctx := client.New(kit.Socket(testkit.Everything())), t.Context()
	verified := func() protocol.Outcome {
		t.Helper()
		code := *p.next() // moves the clock
		made := puts(t, c, protocol.Ask{User: "alice", Purpose: "x", Credentials: true, DurationSeconds: 1800})
		if err := c.Answer(ctx, made.ID, protocol.Answer{Code: code}); err != nil {
			t.Fatal(err)
		}
		out := done(c.Wait(ctx, made.ID))(t)
		if again := done(c.Wait(ctx, made.ID))(t); again.Credentials != nil || again.State != protocol.Verified {
			t.Errorf("a second time: %+v", again)
		}
		return out
	}
	if out := verified(); out.Credentials != nil || !strings.Contains(out.CredentialsRefused, "keyd:GetChallengeCredentials") {
		t.Errorf("without a policy: %+v", out)
	}
	allow := func(kind string) {
		t.Helper()
		done(kit.IAM().PutUserPolicy(ctx, &iamclient.PutUserPolicyInput{UserName: aws.String("alice"), PolicyName: aws.String("p"),
			PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":"iam:ListMFADevices","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
				{"Effect":"Allow","Action":"keyd:GetChallengeCredentials","Resource":"arn:aws:iam::111122223333:user/alice",
				 "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"60"},
				 "StringEquals":{"keyd:MFADeviceType":"` + kind + `"}}}]}`)}))(t)
	}
	allow("PIV")
	if out := verified(); out.Credentials != nil || out.CredentialsRefused == "" {
		t.Errorf("another type of device: %+v", out)
	}
	allow("TOTP")
	before := kit.Log.Size()
	out := verified()
	if out.Credentials == nil || out.CredentialsRefused != "" {
		t.Fatalf("%+v", out)
	}
	if left := time.Until(out.Credentials.Expiration); left > 30*time.Minute || left < 29*time.Minute {
		t.Errorf("good for %v", left)
	}
	as := credentials.NewStaticCredentialsProvider(out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey, out.Credentials.SessionToken)
	if who := done(kit.STSWith(region, as).GetCallerIdentity(ctx, &stsclient.GetCallerIdentityInput{}))(t); !strings.HasSuffix(*who.Arn, ":user/alice") {
		t.Errorf("%s", *who.Arn)
	}
	done(kit.IAMWith(as).ListMFADevices(ctx, &iamclient.ListMFADevicesInput{}))(t)
	for _, e := range kit.Events(before) {
		if text := string(e); strings.Contains(text, out.Credentials.SecretAccessKey) || strings.Contains(text, out.Credentials.SessionToken) {
			t.Error("a secret is in the log")
		}
	}
	kit.Offset.Add(int64(31 * time.Minute))
	if _, err := kit.STSWith(region, as).GetCallerIdentity(ctx, &stsclient.GetCallerIdentityInput{}); codeOf(err) != "ExpiredToken" && codeOf(err) != "ExpiredTokenException" {
		t.Errorf("after half an hour: %v", err)
	}
}

// TestSocketCredentialsNeedRule: to be given them is a right of its own.
func TestSocketCredentialsNeedRule(t *testing.T) {
	kit := testkit.Start(t)
	rule := testkit.Everything()
	rule.May = []server.Right{server.MayAsk, server.MayAnswer}
	c := client.New(kit.Socket(rule))
	if _, err := c.Ask(t.Context(), protocol.Ask{User: "alice", Purpose: "x", Credentials: true}); !is(err, protocol.CodeNotAllowed) {
		t.Error(err)
	}
}

// TestSocketRoot: the root user answers under its name.
func TestSocketRoot(t *testing.T) {
	kit := testkit.Start(t)
	p := newPhone(t, kit, "root-phone")
	if err := p.enable("root"); err != nil {
		t.Fatal(err)
	}
	c, ctx := client.New(kit.Socket(testkit.Everything())), t.Context()
	made := puts(t, c, protocol.Ask{User: "root", Purpose: "x", TTLSeconds: 600, Credentials: true})
	if err := c.Answer(ctx, made.ID, protocol.Answer{Code: *p.next()}); err != nil {
		t.Fatal(err)
	}
	out := done(c.Wait(ctx, made.ID))(t)
	if out.Credentials == nil || time.Until(out.Credentials.Expiration) > time.Hour {
		t.Errorf("%+v", out)
	}
}

// TestSocketRootIsNoUser: a user who is called root does not answer for the root
// user of the account, nor keep it from answering.
func TestSocketRootIsNoUser(t *testing.T) {
	kit := testkit.Start(t)
	own := newPhone(t, kit, "root-phone")
	if err := own.enable("root"); err != nil {
		t.Fatal(err)
	}
	other := enrolled(t, kit, "Root")
	c := client.New(kit.Socket(testkit.Everything()))
	made := puts(t, c, protocol.Ask{User: "root", Purpose: "x", TTLSeconds: 600})
	if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: *other.next()}); !is(err, protocol.CodeRefused) {
		t.Errorf("the user: %v", err)
	}
	if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: *own.next()}); err != nil {
		t.Errorf("the root user: %v", err)
	}
}

// TestSocketDeviceTakenAway: a right answer by a device that is taken away before
// its yes is in the log is none.
func TestSocketDeviceTakenAway(t *testing.T) {
	kit := testkit.Start(t)
	p := enrolled(t, kit, "alice")
	c, ctx := client.New(kit.Socket(testkit.Everything())), t.Context()
	made := puts(t, c, protocol.Ask{User: "alice", Purpose: "x", TTLSeconds: 600})
	done(kit.IAM().DeactivateMFADevice(ctx, &iamclient.DeactivateMFADeviceInput{UserName: aws.String("alice"), SerialNumber: p.serial}))(t)
	if err := c.Answer(ctx, made.ID, protocol.Answer{Code: *p.next()}); !is(err, protocol.CodeRefused) {
		t.Error(err)
	}
}
