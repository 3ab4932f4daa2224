package server

import (
	"context"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/kms"
)

// sweepEvery is how often deletion windows are looked at; they are days long.
const sweepEvery = time.Minute

// sweepBatch bounds one look.
const sweepBatch = 100

// Run does what is due without a request, until ctx ends: it destroys the keys
// whose deletion window has ended, first of all those that ended while the
// daemon was down.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("deletion of keys is delayed", "error", err)
		}
		if err := s.flush(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("last uses of access keys are not kept yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// flush keeps when access keys and permissions were last used; it is gathered in
// memory, and what a crash takes with it is a minute of that.
func (s *Server) flush(ctx context.Context) error {
	return errors.Join(s.IAM.Flush(ctx), s.IAM.FlushAccesses(ctx))
}

// Sweep destroys the keys whose deletion window has ended, each in a commit of
// its own with its audit event, then what their material left on the medium.
func (s *Server) Sweep(ctx context.Context) error {
	for {
		due, err := s.KMS.DueDeletions(ctx, sweepBatch)
		if err != nil {
			return err
		}
		for _, d := range due {
			if err := s.destroy(ctx, d); err != nil {
				return err
			}
		}
		if len(due) < sweepBatch {
			return s.KMS.Scrub(ctx)
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
		return s.deletionEvent(k), s.KMS.DestroyKey(tx, k)
	})
	if refusal := (*kms.Error)(nil); errors.As(err, &refusal) {
		return nil // cancelled since it was listed
	}
	if err != nil {
		return err
	}
	s.KMS.Destroyed(destroyed)
	s.Logger.Info("key destroyed", "key", destroyed.ARN())
	return nil
}

// deletionEvent is what CloudTrail records when a deletion window has ended.
func (s *Server) deletionEvent(k *kms.Key) *audit.Event {
	e := s.newEvent(s.Clock(), k.Region)
	e.EventSource, e.EventName, e.EventType = "kms.amazonaws.com", "DeleteKey", "AwsServiceEvent"
	e.SourceIPAddress, e.UserAgent = "AWS Internal", "AWS Internal"
	e.UserIdentity = audit.UserIdentity{AccountID: s.Account, InvokedBy: "AWS Internal"}
	e.Resources = resources([]*kms.Key{k})
	e.ServiceEventDetails = detail("keyId", k.ARN())
	return e
}
