package server

import (
	"context"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// Limits of answers. Longer ones are none of any device.
const (
	maxCode       = 64   // characters
	maxDeviceName = 256  // characters of a serial number
	maxSignature  = 1024 // bytes
)

// answer is AnswerChallenge. Of a right answer the event is on disk before the
// challenge is verified, so that nobody hears a yes that is not in the log.
func (k *Socket) answer(c *localCall) (any, error) {
	defer k.work(c, 0)()
	var in protocol.Answer
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if err := checkAnswer(&in); err != nil {
		return nil, err
	}
	if in.Device != "" {
		c.parameters["device"] = in.Device
	}
	q, err := k.challenges.Find(c.challenge)
	if err != nil {
		return nil, err
	}
	c.parameters["user"], c.parameters["purpose"] = q.User, q.Purpose
	if err := c.need(MayAnswer, q.User); err != nil {
		return nil, err
	}
	err = k.challenges.Answer(c.ctx, c.challenge, in, func(p mfa.Proof, refusal error) error {
		return k.recordAnswer(c, q.Owner, p, refusal)
	})
	if err != nil {
		return nil, err
	}
	return protocol.Outcome{State: protocol.Verified}, nil
}

// recordAnswer leaves the event of an answer. A change that takes the device away
// returns only when no answer that was given with it is still on its way.
func (k *Socket) recordAnswer(c *localCall, owner string, p mfa.Proof, refusal error) error {
	k.settled.RLock()
	defer k.settled.RUnlock()
	if refusal == nil {
		refusal = k.stands(c.ctx, owner, p)
	}
	if refusal == nil {
		c.elements = map[string]any{"state": protocol.Verified, "method": p.Type}
		if p.Serial != "" {
			c.elements["device"] = p.Serial
		}
	}
	if err := k.record(c, refusal); err != nil {
		return err
	}
	return refusal
}

// stands refuses a proof whose user or device is gone since it was given.
func (s *Server) stands(ctx context.Context, owner string, p mfa.Proof) error {
	if p.Serial != "" {
		held, err := s.MFA.Holds(ctx, nil, owner, p.Serial)
		if err == nil && !held {
			err = mfa.ErrDevice
		}
		return err
	}
	_, err := s.holderOf(ctx, owner)
	if isNoSuchEntity(err) {
		return mfa.ErrDevice
	}
	return err
}

// holderOf is who holds the devices of an owner.
func (s *Server) holderOf(ctx context.Context, owner string) (iam.Principal, error) {
	if owner == s.Account {
		return iam.Root(s.Account), nil
	}
	u, err := s.IAM.UserByID(ctx, nil, owner)
	if err != nil {
		return iam.Principal{}, err
	}
	return iam.Principal{Type: iam.TypeUser, Account: s.Account, ARN: u.ARN(), ID: u.ID, Name: u.Name, Tags: u.Tags}, nil
}

// checkAnswer refuses what is neither a code nor a signature of a device.
func checkAnswer(in *protocol.Answer) error {
	signed := in.Device != "" && len(in.Signature) > 0
	switch {
	case len(in.Code) > maxCode || len(in.Device) > maxDeviceName || len(in.Signature) > maxSignature:
		return invalid("the answer is too long")
	case in.Code != "" && in.Device == "" && len(in.Signature) == 0:
	case in.Code == "" && signed:
	default:
		return invalid("the answer must be a code, or a device and its signature")
	}
	return nil
}
