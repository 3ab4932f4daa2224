package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/keyd-hsm/keyd/internal/testkit"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/client"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/store"
)

// BenchmarkChallenge measures one proof that a person is there: TOTP is the check
// of a code alone, Code a whole round trip over the MFA socket (ask, answer by a
// code, take the outcome), Signature the same by a security key, and Crowd as many
// of those at a time as the machine likes. Each request of a round trip leaves an
// event on disk. Run it with
//
//	go test ./server -run '^$' -bench '^BenchmarkChallenge$'
func BenchmarkChallenge(b *testing.B) {
	f := newChallengeBench(b)
	b.Run("TOTP", func(b *testing.B) {
		for b.Loop() {
			if _, err := f.devices.VerifyAny(b.Context(), f.owner, f.nextCode(b), []string{mfa.TypeTOTP}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Code", func(b *testing.B) {
		for b.Loop() {
			f.roundTrip(b, func(protocol.Challenge) protocol.Answer { return protocol.Answer{Code: f.nextCode(b)} })
		}
	})
	b.Run("Signature", func(b *testing.B) {
		for b.Loop() {
			f.roundTrip(b, f.signed)
		}
	})
	b.Run("Crowd", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f.roundTrip(b, f.signed)
			}
		})
	})
}

// A challengeBench is an appliance with a user who has a phone and a security key,
// and a clock of devices that stands still.
type challengeBench struct {
	devices *mfa.Service
	clock   atomic.Int64
	owner   string
	seed    string
	key     *ecdsa.PrivateKey
	serial  string
	client  *client.Client
}

func newChallengeBench(b *testing.B) *challengeBench {
	b.Helper()
	kit := testkit.Start(b)
	f := new(challengeBench)
	f.clock.Store(time.Now().UnixNano())
	of := kit.MFA.Config
	of.RealTime = func() time.Time { return time.Unix(0, f.clock.Load()) }
	f.devices = mfa.New(of)
	cfg := kit.Server.Config
	cfg.MFA = f.devices
	s, err := server.New(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	f.client = client.New(kit.SocketOf(s, testkit.Everything()))
	u, _ := kit.UserWithKey("alice")
	f.owner = u.ID
	if err := f.enroll(b, kit); err != nil {
		b.Fatal(err)
	}
	return f
}

func (f *challengeBench) enroll(b *testing.B, kit *testkit.Kit) error {
	phone, shown, err := f.devices.Draft(b.Context(), mfa.NewDevice{Name: "phone"})
	if err != nil {
		return err
	}
	kit.Update(func(tx store.Tx) error { return f.devices.Create(tx, phone) })
	f.seed = string(shown.Base32)
	pair, err := f.devices.Prove(b.Context(), "", phone.Serial(), f.nextCode(b), f.nextCode(b))
	if err != nil {
		return err
	}
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(f.key.Public())
	if err != nil {
		return err
	}
	card := &mfa.Device{Version: 1, Name: "card", Path: "/", Account: testkit.Account, Created: kit.Now(), Type: mfa.TypePIV, Owner: f.owner,
		PIV: &mfa.PIVKey{Public: public, Slot: "9a"}}
	f.serial = card.Serial()
	kit.Update(func(tx store.Tx) error {
		return errors.Join(f.devices.Enable(tx, f.owner, phone.Serial(), pair), f.devices.EnrollPIV(tx, card))
	})
	return nil
}

// nextCode moves the clock by a step, and is the code of then.
func (f *challengeBench) nextCode(b *testing.B) string {
	at := time.Unix(0, f.clock.Add(int64(30*time.Second)))
	code, err := totp.GenerateCode(f.seed, at)
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func (f *challengeBench) signed(c protocol.Challenge) protocol.Answer {
	digest := sha256.Sum256(c.Message(protocol.Device{SerialNumber: f.serial}).Bytes())
	signature, err := ecdsa.SignASN1(rand.Reader, f.key, digest[:])
	if err != nil {
		panic(err) // never: see crypto/rand
	}
	return protocol.Answer{Device: f.serial, Signature: signature}
}

func (f *challengeBench) roundTrip(b *testing.B, answer func(protocol.Challenge) protocol.Answer) {
	made, err := f.client.Ask(b.Context(), protocol.Ask{User: "alice", Purpose: "sudo on db1"})
	if err == nil {
		err = f.client.Answer(b.Context(), made.ID, answer(made))
	}
	if err != nil {
		b.Error(err)
		return
	}
	if out, err := f.client.Wait(b.Context(), made.ID); err != nil || out.State != protocol.Verified {
		b.Errorf("%s %v", out.State, err)
	}
}
