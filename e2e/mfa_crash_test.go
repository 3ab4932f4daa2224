package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamclient "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/audit"
	mfaclient "github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// TestMFACrash kills the daemon again and again while many guess at one user's
// codes over the MFA socket, each time at another's. Each guess whose answer came
// is in the log, and each that was looked at stays counted: no crash gives a
// guesser another try.
func TestMFACrash(t *testing.T) {
	dir := t.TempDir()
	d := startDaemon(t, dir)
	users := []string{"ann", "bea", "cat", "dot", "eve", "fay", "gil", "hal"}
	for _, user := range users {
		enrollPhone(t, d, user)
	}
	answered := make(map[string]int)
	for round, user := range users {
		answered[user] = guessAndKill(t, d, user, 1+round%4)
		d = startDaemon(t, dir)
		inLog, looked := guesses(t, dir)
		for _, user := range users[:round+1] {
			if inLog[user] < answered[user] {
				t.Errorf("%s: %d guesses were answered, %d are in the log", user, answered[user], inLog[user])
			}
			if n := mfaFailures(t, d, user); n < looked[user] {
				t.Errorf("%s: %d guesses were looked at, %d are counted", user, looked[user], n)
			}
		}
	}
	inLog, looked := guesses(t, dir)
	t.Logf("answered %v, in the log %v, looked at %v", answered, inLog, looked)
	if len(looked) < len(users) {
		t.Error("nothing was looked at: the test proves nothing")
	}
}

// guessAndKill has eight guess at a user until so many answers came, and kills the
// daemon then. It returns how many came.
func guessAndKill(t *testing.T, d *daemon, user string, enough int) int {
	t.Helper()
	c := mfaclient.New(d.vars["KEYCTL_MFA_SOCKET"])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var (
		came  atomic.Int64
		group sync.WaitGroup
	)
	reached := make(chan struct{})
	for range 8 {
		group.Go(func() {
			for {
				made, err := c.Ask(ctx, protocol.Ask{User: user, Purpose: "guess"})
				if err != nil {
					return // killed
				}
				err = c.Answer(ctx, made.ID, protocol.Answer{Code: "000000"})
				if refusal := (*protocol.Error)(nil); !errors.As(err, &refusal) {
					return
				} else if refusal.Code != protocol.CodeRefused {
					t.Errorf("guess: %v", err)
					return
				}
				if came.Add(1) == int64(enough) {
					close(reached)
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(patience):
		t.Error("nobody answers")
	}
	d.kill()
	group.Wait()
	return int(came.Load())
}

// guesses counts the guesses at each user in the log, and those of them that were
// looked at.
func guesses(t *testing.T, dir string) (all, looked map[string]int) {
	t.Helper()
	all, looked = make(map[string]int), make(map[string]int)
	for entry, err := range audit.Read(filepath.Join(dir, "audit"), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			EventName, ErrorCode, ErrorMessage string
			RequestParameters                  struct{ User string }
		}
		if err := json.Unmarshal(entry.Record, &e); err != nil {
			t.Fatal(err)
		}
		if e.EventName == "AnswerChallenge" && e.ErrorCode == protocol.CodeRefused {
			all[e.RequestParameters.User]++
			if e.ErrorMessage == "wrong MFA code" {
				looked[e.RequestParameters.User]++
			}
		}
	}
	return all, looked
}

// mfaFailures is how many wrong answers are counted.
func mfaFailures(t *testing.T, d *daemon, user string) int {
	t.Helper()
	cmd := exec.Command("keyctl", "mfa", "list", user, "-o", "json")
	cmd.Env = os.Environ()
	for name, value := range d.vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.Output()
	var doc struct{ Failures int }
	if err == nil {
		err = json.Unmarshal(out, &doc)
	}
	if err != nil {
		t.Fatalf("keyctl mfa list: %v\n%s", err, out)
	}
	return doc.Failures
}

// enrollPhone makes a user with a virtual MFA device, by AWS's API.
func enrollPhone(t *testing.T, d *daemon, name string) {
	t.Helper()
	url, ctx := d.url(), t.Context()
	api := iamclient.New(iamclient.Options{BaseEndpoint: &url, Region: "us-east-1", Credentials: d.provider(), RetryMaxAttempts: 1})
	if _, err := api.CreateUser(ctx, &iamclient.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	made, err := api.CreateVirtualMFADevice(ctx, &iamclient.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String(name + "-phone")})
	if err != nil {
		t.Fatal(err)
	}
	code := func(at time.Time) *string {
		text, err := totp.GenerateCode(string(made.VirtualMFADevice.Base32StringSeed), at)
		if err != nil {
			t.Fatal(err)
		}
		return &text
	}
	now := time.Now()
	if _, err := api.EnableMFADevice(ctx, &iamclient.EnableMFADeviceInput{UserName: &name, SerialNumber: made.VirtualMFADevice.SerialNumber,
		AuthenticationCode1: code(now.Add(-30 * time.Second)), AuthenticationCode2: code(now)}); err != nil {
		t.Fatal(err)
	}
}
