package server

import "github.com/keyd-hsm/keyd/mfa/protocol"

// ReadAsk takes a question apart as the MFA socket does.
func ReadAsk(body []byte) (in protocol.Ask, err error) {
	if err = decodeLocal(body, &in); err == nil {
		err = checkAsk(&in)
	}
	return in, err
}

// ReadAnswer is ReadAsk for an answer.
func ReadAnswer(body []byte) (in protocol.Answer, err error) {
	if err = decodeLocal(body, &in); err == nil {
		err = checkAnswer(&in)
	}
	return in, err
}
