package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/kms"
)

const (
	// sweepEvery is how often it is looked what is due: one read of the first
	// entry of each index. AWS promises days; this is the time for which imported
	// material may outlive its last second.
	sweepEvery = time.Second
	// retryAfter is how long the schedule rests after a failure, of the token or
	// the disk most likely.
	retryAfter = 10 * time.Second
	// flushEvery is how often last uses are kept.
	flushEvery = time.Minute
	// dueTime bounds the work on one key: a token that hangs holds up no other.
	dueTime = time.Minute
	// sweepBatch bounds one look.
	sweepBatch = 100
)

// Run does what is due without a request, until ctx ends, and first of all what
// became due while the daemon was down.
func (s *Server) Run(ctx context.Context) error {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	sweep := time.NewTimer(0)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			next := sweepEvery
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.Logger.Error("deletion, rotation or expiry of keys is delayed", "error", err)
				next = retryAfter
			}
			sweep.Reset(next)
		case <-flush.C:
			if err := s.flush(ctx); err != nil && ctx.Err() == nil {
				s.Logger.Error("last uses of access keys and keys are not kept yet", "error", err)
			}
		}
	}
}

// flush keeps when access keys, permissions and keys were last used; it is gathered in
// memory, and what a crash takes with it is a minute of that.
func (s *Server) flush(ctx context.Context) error {
	return errors.Join(s.IAM.Flush(ctx), s.IAM.FlushAccesses(ctx), s.KMS.FlushUsage(ctx))
}

// Sweep does what is due, each in a commit of its own with its audit event: it
// destroys keys whose deletion window has ended, deletes imported material that
// has expired, and rotates keys. Then it removes what destroyed material has left
// on tokens and on the medium. What fails holds up nothing else, and stays due.
func (s *Server) Sweep(ctx context.Context) error {
	return errors.Join(
		eachDue(ctx, s.KMS.DueDeletions, s.destroy),
		eachDue(ctx, s.KMS.DueExpiries, s.expire),
		eachDue(ctx, s.KMS.DueRotations, s.rotate),
		s.KMS.Reap(ctx),
		s.KMS.Scrub(ctx))
}

// eachDue does what a list says is due, the oldest first, until nothing is left
// of it that can be done. A refusal is no failure: what was due may have been
// cancelled since it was listed.
func eachDue(ctx context.Context, list func(context.Context, int) ([]kms.DueKey, error), do func(context.Context, kms.DueKey) error) error {
	for {
		due, err := list(ctx, sweepBatch)
		if err != nil {
			return err
		}
		done, failed := 0, error(nil)
		for _, d := range due {
			one, cancel := context.WithTimeout(ctx, dueTime)
			err := do(one, d)
			cancel()
			switch refusal := (*kms.Error)(nil); {
			case err == nil:
				done++
			case ctx.Err() != nil:
				return ctx.Err()
			case !errors.As(err, &refusal):
				failed = errors.Join(failed, fmt.Errorf("key %s in %s: %w", d.ID, d.Region, err))
			}
		}
		if failed != nil || done == 0 || len(due) < sweepBatch {
			return failed
		}
	}
}

func (s *Server) destroy(ctx context.Context, d kms.DueKey) error {
	var destroyed *kms.Key
	err := s.commit(ctx, func(tx kms.Tx) (*audit.Event, error) {
		k, err := s.KMS.KeyByID(ctx, tx, d.Region, d.ID)
		if err != nil {
			return nil, err
		}
		destroyed = k
		return s.serviceEvent("DeleteKey", k, "keyId", k.ARN()), s.KMS.DestroyKey(tx, k)
	})
	if destroyed != nil { // also where only its event is late; of a key that stays they are made anew
		s.KMS.Destroyed(destroyed)
	}
	if err != nil {
		return err
	}
	s.Logger.Info("key destroyed", "key", destroyed.ARN())
	return nil
}

func (s *Server) expire(ctx context.Context, d kms.DueKey) error {
	var (
		k *kms.Key
		m kms.Material
	)
	err := s.commit(ctx, func(tx kms.Tx) (_ *audit.Event, err error) {
		if k, m, err = s.KMS.ExpireMaterial(tx, d); err != nil {
			return nil, err
		}
		return s.serviceEvent("DeleteExpiredKeyMaterial", k, "keyId", k.ID, "keyMaterialId", m.ID), nil
	})
	if k != nil { // as for a key
		s.KMS.Deleted(k, m)
	}
	if err != nil {
		return err
	}
	s.Logger.Info("key material expired", "key", k.ARN(), "material", m.ID)
	return nil
}

// rotate makes new material in the token before its transaction; one that is not
// stored, because the key is not due any more, is nowhere.
func (s *Server) rotate(ctx context.Context, d kms.DueKey) error {
	k, err := s.KMS.KeyByID(ctx, nil, d.Region, d.ID)
	if err != nil {
		return err
	}
	m, err := s.KMS.NextMaterial(ctx, k)
	if err != nil {
		return err
	}
	err = s.commit(ctx, func(tx kms.Tx) (*audit.Event, error) {
		k, err := s.KMS.KeyByID(ctx, tx, d.Region, d.ID)
		if err != nil {
			return nil, err
		}
		e := s.serviceEvent("RotateKey", k, "rotationType", kms.RotatedAutomatically, "keyId", k.ID)
		return e, s.KMS.RotateDueKey(tx, k, m)
	})
	if err != nil {
		s.KMS.Deleted(k, m)
		return err
	}
	s.Logger.Info("key rotated", "key", k.ARN(), "material", m.ID)
	return nil
}

// serviceEvent is what CloudTrail records of something that is done to a key
// without a request. The details are names and values in turn.
func (s *Server) serviceEvent(name string, k *kms.Key, details ...string) *audit.Event {
	e := s.newEvent(s.Clock(), k.Region)
	e.EventSource, e.EventName, e.EventType = "kms.amazonaws.com", name, "AwsServiceEvent"
	e.SourceIPAddress, e.UserAgent = "AWS Internal", "AWS Internal"
	e.UserIdentity = audit.UserIdentity{AccountID: s.Account, InvokedBy: "AWS Internal"}
	e.Resources = resources([]*kms.Key{k})
	b := []byte{'{'}
	for i := 0; i+1 < len(details); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, details[i]), ':')
		b = appendText(b, details[i+1])
	}
	e.ServiceEventDetails = json.RawMessage(append(b, '}'))
	return e
}
