package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

func macKey(in *kmsapi.GenerateMacRequest) *string     { return in.KeyId }
func verifyMacKey(in *kmsapi.VerifyMacRequest) *string { return in.KeyId }

func macReady(c *call, in *kmsapi.GenerateMacRequest) error {
	return ready(cryptoOptions{
		operation: "GenerateMac", usage: kms.GenerateVerifyMAC, algorithm: string(api.Value(in.MacAlgorithm)),
		dryRun: in.DryRun,
	}, c.key)
}

func generateMac(s *Server, c *call, in *kmsapi.GenerateMacRequest) (*kmsapi.GenerateMacResponse, error) {
	mac, err := s.KMS.MAC(c.ctx, c.key, in.Message)
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateMacResponse{KeyId: new(c.key.ARN()), Mac: mac, MacAlgorithm: in.MacAlgorithm}, nil
}

func verifyMacReady(c *call, in *kmsapi.VerifyMacRequest) error {
	return ready(cryptoOptions{
		operation: "VerifyMac", usage: kms.GenerateVerifyMAC, algorithm: string(api.Value(in.MacAlgorithm)),
		dryRun: in.DryRun,
	}, c.key)
}

// verifyMac answers true or an exception, never false.
func verifyMac(s *Server, c *call, in *kmsapi.VerifyMacRequest) (*kmsapi.VerifyMacResponse, error) {
	if err := s.KMS.VerifyMAC(c.ctx, c.key, in.Message, in.Mac); err != nil {
		return nil, err
	}
	return &kmsapi.VerifyMacResponse{KeyId: new(c.key.ARN()), MacValid: new(true), MacAlgorithm: in.MacAlgorithm}, nil
}
