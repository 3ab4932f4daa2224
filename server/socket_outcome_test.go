package server_test

import (
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/store"
)

// verifiedRoot is a challenge of the root user, who needs no policy, with
// credentials, that is verified and not asked for.
func verifiedRoot(t *testing.T, kit *testkit.Kit, c *client.Client, p *phone) protocol.Challenge {
	t.Helper()
	made := puts(t, c, protocol.Ask{User: "root", Purpose: "x", TTLSeconds: 600, Credentials: true})
	if err := c.Answer(t.Context(), made.ID, protocol.Answer{Code: *p.next()}); err != nil {
		t.Fatal(err)
	}
	return made
}

func rootPhone(t *testing.T, kit *testkit.Kit) *phone {
	t.Helper()
	p := newPhone(t, kit, "root-phone")
	if err := p.enable("root"); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSocketCredentialsRevoked: who ends the sessions of a user ends what answers of
// before would give, and not those of after.
func TestSocketCredentialsRevoked(t *testing.T) {
	kit := testkit.Start(t)
	p := rootPhone(t, kit)
	c := client.New(kit.Socket(testkit.Everything()))
	made := verifiedRoot(t, kit, c, p)
	kit.Update(func(tx store.Tx) error { return kit.Identities.RevokeSessions(tx, testkit.Account) })
	out := done(c.Wait(t.Context(), made.ID))(t)
	if out.State != protocol.Verified || out.Credentials != nil || !strings.Contains(out.CredentialsRefused, "revoked") {
		t.Errorf("%+v", out)
	}
	made = verifiedRoot(t, kit, c, p)
	if out := done(c.Wait(t.Context(), made.ID))(t); out.Credentials == nil {
		t.Errorf("after it: %+v", out)
	}
}

// TestSocketCredentialsUserGone: a user who has gone, or got another name, since it
// was looked up is refused credentials, and that is no fault of keyd's.
func TestSocketCredentialsUserGone(t *testing.T) {
	kit := testkit.Start(t)
	p := enrolled(t, kit, "alice")
	k := kit.Server.Socket(server.SocketConfig{Region: region})
	ctx := t.Context()
	user := done(kit.IAM().GetUser(ctx, &iamclient.GetUserInput{UserName: aws.String("alice")}))(t).User
	holder := done(kit.Server.HolderOf(ctx, *user.UserId))(t)
	done(kit.IAM().UpdateUser(ctx, &iamclient.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("alicia")}))(t)
	proof := mfa.Proof{Serial: *p.serial, Type: mfa.TypeTOTP, At: kit.Now()}
	refused, err := k.MayHave(httptest.NewRequestWithContext(ctx, "GET", "/", nil), holder, proof)
	if err != nil || !strings.Contains(refused, "no more") {
		t.Errorf("%q %v", refused, err)
	}
}

// TestSocketCredentialsPanic: a panic while credentials are made takes them from
// nobody: they are to be had by asking again.
func TestSocketCredentialsPanic(t *testing.T) {
	kit := testkit.Start(t)
	p := rootPhone(t, kit)
	var calls atomic.Int64 // until the clock panics; it never does from 0 on down
	cfg := kit.Server.Config
	cfg.Clock = func() time.Time {
		if calls.Add(-1) == 0 {
			panic("clock")
		}
		return kit.Now()
	}
	c := client.New(kit.SocketOf(done(server.New(t.Context(), cfg))(t), testkit.Everything()))
	made := verifiedRoot(t, kit, c, p)
	calls.Store(2) // the first is when the request comes
	if _, err := c.Wait(t.Context(), made.ID); !is(err, protocol.CodeInternal) {
		t.Fatalf("%v", err)
	}
	if out := done(c.Wait(t.Context(), made.ID))(t); out.Credentials == nil {
		t.Errorf("%+v", out)
	}
}
