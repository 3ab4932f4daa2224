package server

import (
	"context"
	"net/http"
	"time"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// ReadAsk takes a question apart as the MFA socket does.
func ReadAsk(body []byte) (in protocol.Ask, err error) {
	if err = decodeLocal(body, &in); err == nil {
		err = checkAsk(&in)
	}
	return in, err
}

// ReadAnswer is ReadAsk for an answer.
func ReadAnswer(body []byte) (in protocol.Answer, err error) {
	if err = decodeLocal(body, &in); err == nil {
		err = checkAnswer(&in)
	}
	return in, err
}

// Strangers are those of the MFA socket.
type Strangers struct{ s strangers }

// What the tests of strangers count with.
const (
	StrangerEvents = strangerEvents
	MaxStrangers   = maxStrangers
)

func (x *Strangers) Admit(uid uint32, now time.Time) bool { return x.s.admit(uid, now) }

func (x *Strangers) Size() int { return len(x.s.seen) }

// Over are how many requests of each were left out.
func (x *Strangers) Over(now time.Time) map[string]int {
	counts := map[string]int{}
	for _, l := range x.s.over(now, false) {
		counts[l.who.String()] = l.count
	}
	return counts
}

// Stranger counts a request of a local user that no rule names.
func (k *Socket) Stranger(uid uint32) { k.strangers.admit(uid, k.Clock()) }

// MayHave asks whether credentials of a holder, as it was looked up, may be had.
func (k *Socket) MayHave(r *http.Request, holder iam.Principal, p mfa.Proof) (refused string, err error) {
	return k.mayHave(&localCall{ctx: r.Context(), r: r}, holder, p)
}

// HolderOf is who holds the devices of an owner.
func (s *Server) HolderOf(ctx context.Context, owner string) (iam.Principal, error) {
	return s.holderOf(ctx, owner)
}
