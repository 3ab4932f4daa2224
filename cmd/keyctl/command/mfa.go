package command

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

const mfaHelp = "DEVICE is the name that it was made with, or its serial number (an ARN)."

func newMFA(c *cli) *cobra.Command {
	return parent("mfa", "Enrol and remove devices that show one-time codes",
		newMFACreate(c), newMFAList(c), newMFARemove(c),
		c.mfaCodes("enable", "Give a device to a user", (*client).enableMFA),
		c.mfaCodes("resync", "Set a device right whose clock is off, and unlock it", (*client).resyncMFA))
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

// mfaDoc is the JSON of mfa create. The seed is known at creation only.
type mfaDoc struct {
	SerialNumber     string
	Base32StringSeed string
	QRCodePNG        []byte `json:",omitempty"`
	Out              string `json:",omitempty"`
}

func newMFACreate(c *cli) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a device: a seed for an authenticator app",
		Long: `Make a device: a seed for an authenticator app, to be typed or, from the picture
that --out writes, to be scanned. It is nobody's until "keyctl mfa enable" is told
two codes that follow each other. The seed is shown once: keyd keeps it in the token.`,
		Example: "  keyctl mfa create alice-phone --out alice.png",
		Args:    cobra.ExactArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			return c.mfaCreate(ctx, cl, args[0], out)
		}),
	}
	cmd.Flags().StringVar(&out, "out", "", "new `FILE` for the QR code, a PNG; delete it after use")
	return cmd
}

func (c *cli) mfaCreate(ctx context.Context, cl *client, name, out string) (err error) {
	var file *os.File
	if out != "" {
		// Opened first: the seed is shown once.
		if file, err = os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	made, err := cl.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
	if err != nil {
		if file != nil {
			err = errors.Join(err, os.Remove(out))
		}
		return err
	}
	d := made.VirtualMFADevice
	doc := mfaDoc{SerialNumber: aws.ToString(d.SerialNumber), Base32StringSeed: string(d.Base32StringSeed), Out: out}
	if file == nil {
		doc.QRCodePNG = d.QRCodePNG
	} else if _, err := file.Write(d.QRCodePNG); err != nil {
		return err
	}
	t := term.NewTable()
	t.Row("serial number", doc.SerialNumber)
	t.Row("seed", doc.Base32StringSeed)
	if out != "" {
		t.Row("QR code", out)
	}
	return c.show(doc, t)
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

// mfaListDoc is the JSON of mfa list.
type mfaListDoc struct{ MFADevices []mfaDeviceDoc }

type mfaDeviceDoc struct {
	UserName, SerialNumber string
	EnableDate             time.Time
}

func newMFAList(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "list [USER]",
		Short:   "MFA devices of a user, or your own",
		Example: "  keyctl mfa list alice",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.connected(func(ctx context.Context, cl *client, args []string) error {
			found, err := cl.listMFA(ctx, first(args))
			if err != nil {
				return err
			}
			doc, t := mfaListDoc{[]mfaDeviceDoc{}}, term.NewTable("SERIAL NUMBER", "USER", "ENABLED")
			for _, d := range found {
				row := mfaDeviceDoc{aws.ToString(d.UserName), aws.ToString(d.SerialNumber), aws.ToTime(d.EnableDate).UTC()}
				doc.MFADevices = append(doc.MFADevices, row)
				t.Row(row.SerialNumber, row.UserName, when(row.EnableDate))
			}
			return c.show(doc, t)
		}),
	}
}

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
