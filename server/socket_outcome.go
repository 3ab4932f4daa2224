package server

import (
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/sts"
)

// outcome is GetChallengeOutcome.
func (k *Socket) outcome(c *localCall) (any, error) {
	query, err := c.bodiless("wait")
	if err != nil {
		return nil, err
	}
	wait, err := waitOf(query.Get("wait"))
	if err != nil {
		return nil, err
	}
	defer k.work(c, wait)()
	found, err := k.challenges.Wait(c.ctx, c.from(), c.challenge, wait)
	if err != nil {
		return nil, err
	}
	c.elements["state"] = found.State
	if found.Device != "" {
		c.elements["device"] = found.Device
	}
	if !k.challenges.Claim(c.from(), c.challenge) {
		return found.Outcome, nil
	}
	answered := false
	defer func() {
		if !answered { // after a panic too: they may be had by asking again
			k.challenges.Unclaim(c.from(), c.challenge)
		}
	}()
	out, err := k.withCredentials(c, found)
	if err != nil {
		return nil, err
	}
	answered = true
	return out, nil
}

// withCredentials gives a verified outcome the credentials that were asked for, if
// policies allow that, and leaves the event: no change that forbids it comes
// between the gate's answer and the log.
func (k *Socket) withCredentials(c *localCall, found mfa.Result) (protocol.Outcome, error) {
	out := found.Outcome
	holder, err := k.holderOf(c.ctx, found.Question.Owner)
	if isNoSuchEntity(err) {
		err = nil
		out.CredentialsRefused = userGone
	} else if err == nil {
		out.CredentialsRefused, err = k.mayHave(c, holder, found.Proof)
	}
	if err != nil {
		return out, err
	}
	var given *sts.Credentials
	if out.CredentialsRefused == "" {
		if given, err = k.STS.ProvenSession(c.ctx, holder, found.Question.Lasts, found.Proof); err != nil {
			return out, err
		}
	}
	k.settled.RLock()
	defer k.settled.RUnlock()
	if given != nil {
		if out.CredentialsRefused, err = k.mayHave(c, holder, found.Proof); err != nil {
			return out, err
		}
	}
	if out.CredentialsRefused != "" {
		c.elements["credentialsRefused"] = out.CredentialsRefused
		return out, k.record(c, nil)
	}
	out.Credentials = &protocol.Credentials{
		AccessKeyID: given.AccessKeyID, SecretAccessKey: string(given.Secret), SessionToken: string(given.Token), Expiration: given.Expires,
	}
	c.elements["credentials"] = map[string]any{"accessKeyId": given.AccessKeyID, "expiration": given.Expires}
	return out, k.record(c, nil)
}

const userGone = "The user is no more, or has another name by now."

// mayHave asks the gate whether a user who gave this proof may be had credentials
// of over the socket, and says why not.
func (k *Socket) mayHave(c *localCall, holder iam.Principal, p mfa.Proof) (refused string, err error) {
	if err := k.stands(c.ctx, holder.ID, p); mfa.IsRefusal(err) {
		return "The device is no longer the user's.", nil
	} else if err != nil {
		return "", err
	}
	// A session counts as issued when the proof was given: who ends the user's
	// sessions ends what answers of before are good for.
	if revoked, err := k.IAM.SessionRevoked(c.ctx, holder.ID, p.At); err != nil {
		return "", err
	} else if revoked {
		return "The sessions of the user were revoked after the answer.", nil
	}
	now := k.Clock()
	holder.Session = &iam.Session{
		Issued: now, Expires: now.Add(time.Hour),
		MFA: true, MFAAt: p.At, MFAType: p.Type, MFAAttested: p.Attested, MFATouch: p.TouchPolicy,
	}
	d, err := k.Gate.Decide(c.ctx, &authz.Request{Caller: holder, Region: k.Region, Time: now, UserAgent: c.r.UserAgent()},
		authz.Check{Action: "keyd:GetChallengeCredentials", Resource: holder.ARN})
	if errors.Is(err, iam.ErrNoPrincipal) {
		return userGone, nil // since holder was looked up
	}
	return d.Reason, err
}
