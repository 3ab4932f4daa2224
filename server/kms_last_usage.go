package server

import (
	"slices"
	"strconv"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

func kmsUsageRoutes() []*route {
	return []*route{
		view(kmsOp("GetKeyLastUsage"), levelRead,
			onKeyID("kms:GetKeyLastUsage", func(in *kmsapi.GetKeyLastUsageRequest) *string { return in.KeyId }), getKeyLastUsage),
	}
}

// uses reports whether an operation is one that GetKeyLastUsage tells of.
func uses(operation string) bool {
	return slices.Contains(kmsapi.KeyLastUsageTrackingOperation("").Values(), kmsapi.KeyLastUsageTrackingOperation(operation))
}

// used notes what a call has done with its keys, when its event is in the log.
func (s *Server) used(c *call, e *audit.Event) {
	u := kms.KeyUsage{Operation: c.name, At: c.received, Event: e.EventID, Request: c.id}
	for _, k := range []*kms.Key{c.key, c.other} {
		if k != nil {
			s.KMS.Used(k, u)
		}
	}
}

// idle adds kms:TrailingDaysWithoutKeyUsage to the check of an operation that
// takes a key away.
func idle[I any](resolve resolver[I]) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		checks, err := resolve(s, c, tx, in)
		if err != nil {
			return nil, err
		}
		days, err := s.KMS.IdleDays(c.ctx, tx, c.key)
		checks[0].Facts = append(checks[0].Facts, authz.Fact{Key: "kms:TrailingDaysWithoutKeyUsage", Values: []string{strconv.Itoa(days)}})
		return checks, err
	}
}

func getKeyLastUsage(s *Server, c *call, tx kms.Tx, _ *kmsapi.GetKeyLastUsageRequest) (*kmsapi.GetKeyLastUsageResponse, error) {
	out := &kmsapi.GetKeyLastUsageResponse{
		KeyId: new(c.key.ARN()), TrackingStartDate: api.At(c.key.Created), KeyCreationDate: api.At(c.key.Created),
	}
	u, ok, err := s.KMS.LastUsage(tx, c.key)
	if err != nil || !ok {
		return out, err
	}
	out.KeyLastUsage = &kmsapi.KeyLastUsageData{
		Operation: new(kmsapi.KeyLastUsageTrackingOperation(u.Operation)), Timestamp: api.At(u.At),
		CloudTrailEventId: &u.Event, KmsRequestId: &u.Request,
	}
	return out, nil
}
