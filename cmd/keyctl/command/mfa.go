package command

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"
)

const mfaHelp = "DEVICE is the name that it was made with, or its serial number (an ARN)."

func newMFA(c *cli) *cobra.Command {
	return parent("mfa", "Devices that prove a person is there, and questions for them",
		newMFAEnroll(c), newMFAList(c), newMFARemove(c), newMFAUnlock(c),
		c.mfaCodes("enable", "Give a device to a user that mfa enroll --no-enable made", (*client).enableMFA),
		c.mfaCodes("resync", "Set a device right whose clock or counter is off, and unlock it", (*client).resyncMFA),
		newMFAVerify(c), newMFAPending(c), newMFAAnswer(c))
}

// mfaSerial returns the serial number of a device given by name or serial number.
func (cl *client) mfaSerial(ctx context.Context, device string) (string, error) {
	if strings.HasPrefix(device, "arn:") {
		return device, nil
	}
	account, err := cl.account(ctx)
	if err != nil {
		return "", err
	}
	return "arn:aws:iam::" + account + ":mfa/" + strings.TrimPrefix(device, "/"), nil
}

// mfaVerb is what enable and resync are told.
type mfaVerb struct {
	user          *string
	serial        *string
	first, second *string
}

func (cl *client) enableMFA(ctx context.Context, v mfaVerb) error {
	_, err := cl.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{
		UserName: v.user, SerialNumber: v.serial, AuthenticationCode1: v.first, AuthenticationCode2: v.second})
	return err
}

func (cl *client) resyncMFA(ctx context.Context, v mfaVerb) error {
	_, err := cl.iam.ResyncMFADevice(ctx, &iam.ResyncMFADeviceInput{
		UserName: v.user, SerialNumber: v.serial, AuthenticationCode1: v.first, AuthenticationCode2: v.second})
	return err
}

// mfaChangeDoc is the JSON of mfa enable, resync and remove.
type mfaChangeDoc struct {
	UserName     string `json:",omitempty"`
	SerialNumber string
}

// mfaCodes is a verb that takes two codes of a device that follow each other.
func (c *cli) mfaCodes(use, short string, verb func(*client, context.Context, mfaVerb) error) *cobra.Command {
	return &cobra.Command{
		Use:   use + " USER DEVICE CODE1 CODE2",
		Short: short,
		Long: short + `. CODE1 and CODE2 are two codes that the device showed one after the other.
The root user calls itself root.

` + mfaHelp,
		Example: "  keyctl mfa " + use + " alice alice-phone 123456 654321",
		Args:    cobra.ExactArgs(4),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			serial, err := cl.mfaSerial(ctx, args[1])
			if err != nil {
				return err
			}
			if err := verb(cl, ctx, mfaVerb{&args[0], &serial, &args[2], &args[3]}); err != nil {
				return err
			}
			return c.done(mfaChangeDoc{args[0], serial}, "MFA device %s of %s: %s done", serial, args[0], use)
		}),
	}
}

// listMFA are the devices of a user by AWS's own operation, for whoever has no
// right to keyd's.
func (cl *client) listMFA(ctx context.Context, user string) ([]types.MFADevice, error) {
	return all(ctx, iam.NewListMFADevicesPaginator(cl.iam, &iam.ListMFADevicesInput{UserName: optional(user)}),
		func(o *iam.ListMFADevicesOutput) []types.MFADevice { return o.MFADevices })
}

func newMFARemove(c *cli) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:     "remove DEVICE",
		Short:   "Take a device away from its user, and delete it",
		Long:    "Take a device away from its user, and delete it with its seed.\n\n" + mfaHelp,
		Example: "  keyctl mfa remove alice-phone --user alice",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			serial, err := cl.mfaSerial(ctx, args[0])
			if err != nil {
				return err
			}
			if user != "" {
				if _, err := cl.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: &user, SerialNumber: &serial}); err != nil {
					return err
				}
			}
			if _, err := cl.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial}); err != nil {
				return err
			}
			return c.done(mfaChangeDoc{user, serial}, "MFA device %s: removed", serial)
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "who has the device (default: nobody)")
	return cmd
}

// self is the name of the caller among MFA's owners: a user's name, or root.
func (cl *client) self(ctx context.Context) (string, error) {
	out, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	arn := aws.ToString(out.Arn)
	if strings.HasSuffix(arn, ":root") {
		return "root", nil
	}
	if _, name, ok := strings.Cut(arn, ":user/"); ok {
		return name[strings.LastIndex(name, "/")+1:], nil
	}
	return "", usagef("name a user with --user", "%s: only users have MFA devices", arn)
}
