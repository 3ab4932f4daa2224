package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// loginMethods are the ways to log in. The order is that in which credentials
// looks for what was kept.
var loginMethods = []string{protocol.PIV, protocol.TOTP, protocol.HOTP}

// loginOptions say how a person logs in.
type loginOptions struct {
	method   string
	device   string
	code     string
	duration time.Duration
	cardOptions
}

func (o *loginOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	choiceFlag(cmd, &o.method, "mfa", "by a YubiKey (piv) or a code of a device (totp, hotp)", loginMethods)
	f.StringVar(&o.device, "device", "", "the `DEVICE`, by name or serial number (default: the only one, or that on the YubiKey plugged in)")
	f.StringVar(&o.code, "code", "", "the `CODE` of the device, instead of asking")
	o.cardOptions.flags(cmd)
}

func newLogin(c *cli) *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use:   "login --mfa piv|totp|hotp",
		Short: "Log in with MFA: temporary credentials for every AWS tool",
		Long: `Log in with your access key and a device: the temporary credentials are kept in a
file that only you can read, under the user's cache directory, for programs that ask
with "keyctl credentials --mfa …" as their credential_process:

  [profile work]
  endpoint_url = https://keyd.example:8443
  credential_process = keyctl credentials --profile me --mfa piv

There they are made anew, with a touch or a code, when none are left, so that login
is only to do it beforehand. A --device or --duration that they name, login must
have been given too. "keyctl logout" forgets them.`,
		Example: "  keyctl login --profile me --mfa piv\n  keyctl login --profile me --mfa totp --device alice-phone --duration 2h",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.login(ctx, cl, *o) }),
	}
	o.flags(cmd)
	cmd.Flags().DurationVar(&o.duration, "duration", 0, "how long they last, 15m to 36h (default 12h)")
	must(cmd.MarkFlagRequired("mfa"))
	return cmd
}

// loginDoc is the JSON of login. The secrets are in the cache.
type loginDoc struct {
	Method     string
	Expiration time.Time
}

func (c *cli) login(ctx context.Context, cl *client, o loginOptions) error {
	kept := newLoginCache(cl, o)
	defer kept.lock()()
	session, err := c.mfaSession(ctx, cl, o)
	if err != nil {
		return err
	}
	if err := kept.own().save(session); err != nil {
		return fmt.Errorf("credentials, to be kept: %w", err)
	}
	return c.done(loginDoc{o.method, session.Expiration}, "logged in by %s until %s", o.method, when(session.Expiration))
}

func newLogout(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget what login kept",
		Long: `Forget what login kept for your access key, and the roles assumed with it. The
credentials themselves are good until their end, wherever they were copied to;
"keyctl session revoke" ends them.`,
		Example: "  keyctl logout --profile me",
		Args:    cobra.NoArgs,
		RunE: c.connected(func(_ context.Context, cl *client, _ []string) error {
			n, err := forgetLogins(cl)
			if err != nil {
				return err
			}
			return c.done(logoutDoc{n}, "logged out: %d kept credentials forgotten", n)
		}),
	}
}

// logoutDoc is the JSON of logout.
type logoutDoc struct{ Forgotten int }

// mfaSession makes temporary credentials that carry MFA.
func (c *cli) mfaSession(ctx context.Context, cl *client, o loginOptions) (processDoc, error) {
	if cl.credentials.SessionToken != "" {
		return processDoc{}, usagef("name the profile that has your access key: --profile NAME", "login: needs an access key, and these are temporary credentials")
	}
	seconds, err := durationSeconds("--duration", o.duration)
	if err != nil {
		return processDoc{}, err
	}
	p := c.person()
	defer p.leave()
	ctx, stop := interruptible(ctx)
	defer stop()
	if o.method == protocol.PIV {
		return c.sessionByCard(ctx, cl, p, o, seconds)
	}
	serial, err := cl.codeDevice(ctx, o)
	if err != nil {
		return processDoc{}, err
	}
	if o.code == "" {
		question := fmt.Sprintf("Code of %s: ", serial[strings.LastIndex(serial, "/")+1:])
		if o.code, err = p.secret(ctx, question, "a code", "give it with --code"); err != nil {
			return processDoc{}, err
		}
	}
	out, err := cl.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{
		SerialNumber: &serial, TokenCode: aws.String(strings.ReplaceAll(o.code, " ", "")), DurationSeconds: seconds})
	if err != nil {
		return processDoc{}, err
	}
	k := newCredentialDoc(out.Credentials)
	return processDoc{1, k.AccessKeyID, k.SecretAccessKey, k.SessionToken, k.Expiration}, nil
}

// codeDevice is the device whose code is to be given: the one named, or the
// caller's only one of that kind.
func (cl *client) codeDevice(ctx context.Context, o loginOptions) (string, error) {
	const hint = "name it with --device"
	if o.device != "" {
		return cl.mfaSerial(ctx, o.device)
	}
	found, err := cl.describeMFA(ctx, "")
	if api, ok := errors.AsType[smithy.APIError](err); ok && strings.HasPrefix(api.ErrorCode(), "AccessDenied") {
		return "", usagef(hint, "you may not list your MFA devices, so that none can be chosen")
	}
	if err != nil {
		return "", err
	}
	devices := slices.DeleteFunc(found.Devices, func(d mfaapi.Device) bool {
		return !strings.EqualFold(string(value(d.Type)), o.method)
	})
	if len(devices) != 1 {
		return "", usagef(cmp.Or(map[bool]string{true: `"keyctl mfa enroll" gives you one`}[len(devices) == 0], hint),
			"you have %d devices for %s", len(devices), o.method)
	}
	return aws.ToString(devices[0].SerialNumber), nil
}
