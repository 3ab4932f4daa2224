package server

import (
	"errors"
	"net/netip"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/sts"
)

// allow asks the gate whether the caller may do all that an operation needs.
func (s *Server) allow(c *call, checks []authz.Check) error {
	if err := sts.MayCall(c.caller, c.service.SigningName, c.name); err != nil {
		return err
	}
	d, err := s.Gate.Decide(c.ctx, s.gateRequest(c), checks...)
	if errors.Is(err, iam.ErrNoPrincipal) {
		return errKeyGone // deleted since the signature was checked
	}
	if err != nil {
		return err
	}
	// The destination of ReEncrypt was named, be it the same key.
	if !d.Allowed && c.hidden != nil && d.Check.Key == c.hidden && d.Check.Action != "kms:ReEncryptTo" {
		return kms.ErrCiphertextKey
	}
	if !d.Allowed {
		return &kms.Error{Code: kms.CodeAccessDenied, Message: d.Reason}
	}
	s.IAM.Accessed(c.caller.Owner(), c.service.SigningName, c.received)
	return nil
}

// gateRequest is what the gate is told about the request itself.
func (s *Server) gateRequest(c *call) *authz.Request {
	r := &authz.Request{
		Caller: c.caller, Region: c.region, Time: c.received, TLS: c.r.TLS != nil,
		UserAgent: c.r.UserAgent(), Referer: c.r.Referer(),
	}
	// The TCP peer: no header that a client may write counts.
	if peer, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
		r.Peer = peer.Addr().Unmap()
	}
	return r
}

// checkLockout refuses a key policy that would not let the caller change it
// again, unless the caller says that it may be so (rule 9.1). One that leaves
// nothing to the account is only warned of (rule 9.3).
func (s *Server) checkLockout(c *call, k *kms.Key, bypass *bool) error {
	if !k.CompiledPolicy().Delegates(k.Account) {
		s.Logger.Warn("key policy leaves nothing to the account: nobody but those whom it names can use or change the key",
			"key", k.ARN(), "by", c.caller.ARN, "request", c.id)
	}
	if bypass != nil && *bypass {
		return nil
	}
	check := keyCheck("kms:PutKeyPolicy", k)
	check.Facts = bypassFacts(bypass)
	d, err := s.Gate.Decide(c.ctx, s.gateRequest(c), check)
	if err != nil {
		return err
	}
	if !d.Allowed {
		return &kms.Error{Code: kms.CodeMalformedPolicy, Message: "The new key policy will not allow you to update the key policy in the future."}
	}
	return nil
}
