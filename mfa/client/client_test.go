package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// Example lets somebody in only if they are there.
func Example() {
	let := func(ctx context.Context, user string) error {
		keyd := client.New("/run/keyd/mfa.sock")
		question, err := keyd.Ask(ctx, protocol.Ask{User: user, Purpose: "open the vault", TTLSeconds: 60})
		if err != nil {
			return err
		}
		// Whoever stops waiting takes the question back. By then ctx has ended.
		defer func() { _ = keyd.Cancel(context.WithoutCancel(ctx), question.ID) }()
		outcome, err := keyd.Wait(ctx, question.ID)
		if err == nil && outcome.State != protocol.Verified {
			err = fmt.Errorf("%s was not there: %s", user, outcome.State)
		}
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := let(ctx, "alice")
	var refusal *protocol.Error
	switch {
	case err == nil:
		fmt.Println("come in")
	case errors.As(err, &refusal):
		fmt.Println("keyd refused:", refusal.Code)
	default:
		fmt.Println("no")
	}
	// Output: no
}

// TestClient: every call, against a real keyd.
func TestClient(t *testing.T) {
	kit := testkit.Start(t)
	c, ctx := client.New(kit.Socket(testkit.Everything())), t.Context()
	made, err := c.Ask(ctx, protocol.Ask{User: "alice", Purpose: "sudo on db1", TTLSeconds: 5, Methods: []string{protocol.TOTP}})
	if err != nil || made.Version != protocol.Version || len(made.Nonce) != protocol.NonceSize {
		t.Fatalf("%+v %v", made, err)
	}
	none := goleak.IgnoreCurrent() // keyd itself, which runs by now
	if list, err := c.Pending(ctx, "alice"); err != nil || len(list) != 1 || list[0].ID != made.ID || list[0].Purpose != made.Purpose {
		t.Errorf("%+v %v", list, err)
	}
	var refusal *protocol.Error
	if err := c.Answer(ctx, made.ID, protocol.Answer{Code: "000000"}); !errors.As(err, &refusal) || refusal.Code != protocol.CodeRefused {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Wait(gone, made.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	kit.OATHOffset.Add(int64(5 * time.Second))
	if out, err := c.Wait(ctx, made.ID); err != nil || out.State != protocol.Expired {
		t.Errorf("%+v %v", out, err)
	}
	if err := c.Cancel(ctx, made.ID); err != nil {
		t.Error(err)
	}
	for _, id := range []string{made.ID, "", "../challenges", strings.Repeat("x", 1000)} {
		if _, err := c.Wait(ctx, id); !errors.As(err, &refusal) {
			t.Errorf("%.20q: %v", id, err)
		}
	}
	goleak.VerifyNone(t, none)
}

// TestStranger: what is not keyd gets no yes.
func TestStranger(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"no JSON":      {http.StatusOK, "hello"},
		"endless":      {http.StatusOK, `{"state":"verified","method":"` + strings.Repeat("x", 2<<20) + `"}`},
		"broken":       {http.StatusBadGateway, "<html>"},
		"other errors": {http.StatusForbidden, `{"message":"no"}`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			hs := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})}
			defer hs.Close()
			go func() { _ = hs.Serve(l) }()
			out, err := client.New(path).Wait(t.Context(), "x")
			if refusal := (*protocol.Error)(nil); err == nil || errors.As(err, &refusal) || out.State == protocol.Verified && err == nil {
				t.Errorf("%+v %v", out, err)
			}
		})
	}
	_, err := client.New(filepath.Join(t.TempDir(), "none")).Ask(t.Context(), protocol.Ask{User: "alice", Purpose: "x"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
}
