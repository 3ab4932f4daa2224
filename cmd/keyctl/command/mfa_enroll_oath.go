package command

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/keyd-hsm/keyd/api/mfaapi"
)

func (c *cli) enrollOATH(ctx context.Context, o oathOptions) (err error) {
	p := c.person()
	defer p.leave()
	if err := o.check(p); err != nil {
		return err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if o.user == "" && !o.noEnable {
		if o.user, err = cl.self(ctx); err != nil {
			return err
		}
	}
	in, err := c.oathInput(o)
	if err != nil {
		return err
	}
	var file *os.File
	if o.png != "" {
		// Opened first: the seed is shown once.
		if file, err = os.OpenFile(o.png, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		defer func() {
			if err = errors.Join(err, file.Close()); err != nil {
				err = errors.Join(err, os.Remove(o.png))
			}
		}()
	}
	var made mfaapi.CreateOATHDeviceResponse
	if err := cl.mfa.call(ctx, "CreateOATHDevice", in, &made); err != nil {
		return err
	}
	doc, err := newEnrolledDoc(made, o, file)
	if err == nil && !o.noEnable {
		err = c.enableNew(ctx, cl, p, o, &doc)
	}
	if err != nil {
		return errors.Join(err, cl.abandon(ctx, doc.SerialNumber))
	}
	return c.showEnrolled(doc, o)
}

// oathRequest is the input with its seed as bytes: the type of mfaapi's own is
// made never to be written.
type oathRequest struct {
	mfaapi.CreateOATHDeviceRequest
	Seed []byte `json:",omitempty"`
}

func (c *cli) oathInput(o oathOptions) (oathRequest, error) {
	in := oathRequest{CreateOATHDeviceRequest: mfaapi.CreateOATHDeviceRequest{
		DeviceName: &o.name, Type: &o.kind, Digits: &o.digits, Algorithm: &o.algorithm,
	}}
	if o.kind == mfaapi.OathTypeTotp {
		in.Period = &o.period
	} else {
		in.Counter = &o.counter
	}
	var err error
	if o.seedFile != "" {
		in.Seed, err = c.readSeed(o.seedFile)
	}
	return in, err
}

// newEnrolledDoc tells what was made; the picture goes to file, if there is one.
func newEnrolledDoc(made mfaapi.CreateOATHDeviceResponse, o oathOptions, file *os.File) (enrolledDoc, error) {
	doc := enrolledDoc{Type: string(o.kind), UserName: o.user, Out: o.png}
	if made.Device == nil || made.Device.SerialNumber == nil {
		return doc, failf(exitUnavailable, stranger.hint, "the answer names no device")
	}
	doc.SerialNumber = *made.Device.SerialNumber
	if file != nil {
		if _, err := file.Write(made.QRCodePNG); err != nil {
			return doc, err
		}
	} else {
		doc.QRCodePNG = made.QRCodePNG
	}
	if o.seedFile != "" {
		doc.QRCodePNG = nil // whoever gave the seed has it
		return doc, nil
	}
	if made.Base32StringSeed != nil && made.URI != nil {
		doc.Base32StringSeed, doc.URI = string(*made.Base32StringSeed), string(*made.URI)
	}
	return doc, nil
}

// abandon deletes a device that nobody got.
func (cl *client) abandon(ctx context.Context, serial string) error {
	if serial == "" {
		return nil
	}
	// What was interrupted is cleared up all the same.
	_, err := cl.iam.DeleteVirtualMFADevice(context.WithoutCancel(ctx), &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
	if err != nil && !noEntity(err) {
		return fmt.Errorf("the device %s is left, and nobody's: keyctl mfa remove %s", serial, serial)
	}
	return nil
}
