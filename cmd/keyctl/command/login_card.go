package command

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// sessionByCard signs keyd's question for a session.
func (c *cli) sessionByCard(ctx context.Context, cl *client, p *person, o loginOptions, seconds *int32) (processDoc, error) {
	caller, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return processDoc{}, err
	}
	var q mfaapi.CreateSessionChallengeResponse
	if err := cl.mfa.call(ctx, "CreateSessionChallenge", mfaapi.CreateSessionChallengeRequest{}, &q); err != nil {
		return processDoc{}, err
	}
	account, purpose := aws.ToString(caller.Account), "session of "+aws.ToString(caller.Arn)
	// What is signed is what was asked for, whatever came back.
	if aws.ToString(q.Purpose) != purpose || aws.ToString(q.Account) != account || len(q.Nonce) != protocol.NonceSize {
		return processDoc{}, failf(exitUnavailable, stranger.hint, "keyd asks for a signature of something else; nothing was signed")
	}
	var keys []securityKey
	for _, d := range q.Devices {
		serial := aws.ToString(d.SerialNumber)
		if o.device == "" || o.device == serial || strings.HasSuffix(serial, ":mfa/"+strings.TrimPrefix(o.device, "/")) {
			keys = append(keys, securityKey{serial, d.PublicKeySHA256, aws.ToString(d.Slot), uint32(value(d.CardSerial))})
		}
	}
	device, k, err := find(ctx, aws.ToString(q.UserName), keys)
	if err != nil {
		return processDoc{}, err
	}
	m := protocol.Message{
		Kind: protocol.KindChallenge, Account: account, ID: aws.ToString(q.ChallengeId), Nonce: q.Nonce, User: aws.ToString(q.UserName),
		Purpose: purpose, Grants: protocol.GrantsCredentials, Device: device.serial,
	}
	signature, err := c.signWithCard(ctx, p, k, o.cardOptions, m.Bytes())
	if err != nil {
		return processDoc{}, err
	}
	var made mfaapi.GetChallengeSessionTokenResponse
	err = cl.mfa.call(ctx, "GetChallengeSessionToken", mfaapi.GetChallengeSessionTokenRequest{
		ChallengeId: q.ChallengeId, SerialNumber: &device.serial, Signature: signature, DurationSeconds: seconds}, &made)
	if err != nil {
		return processDoc{}, err
	}
	if made.Credentials == nil {
		return processDoc{}, failf(exitUnavailable, stranger.hint, "the answer has no credentials")
	}
	return processDoc{1, aws.ToString(made.Credentials.AccessKeyId), string(value(made.Credentials.SecretAccessKey)),
		string(value(made.Credentials.SessionToken)), value(made.Credentials.Expiration).UTC()}, nil
}
