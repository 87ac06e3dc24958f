// Audio from standard input to a transcriber, its text to standard output: `go run . URL < speech.wav`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/coder/websocket"
)

const (
	chunkBytes   = 4096
	messageBytes = 1 << 20 // complete holds the whole text: up to 512 KiB
)

type message struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func main() {
	if err := transcribe(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func transcribe(ctx context.Context, url string) error {
	header := http.Header{}
	if key := os.Getenv("TRANSCRIBER_API_KEY"); key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	socket, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return refusal(response, err)
	}
	defer socket.CloseNow()
	socket.SetReadLimit(messageBytes)
	go send(ctx, socket) // text is read at the same time
	complete := false
	for {
		_, data, err := socket.Read(ctx)
		if err != nil && complete {
			return nil
		} else if err != nil {
			return err
		}
		var heard message
		if err := json.Unmarshal(data, &heard); err != nil {
			return err
		}
		complete = show(heard) || complete
	}
}

// refusal says what the service answered in place of a WebSocket, if it did.
func refusal(response *http.Response, err error) error {
	if response == nil || response.Body == nil {
		return err
	}
	body, _ := io.ReadAll(response.Body)
	return fmt.Errorf("refused: HTTP %s %s", response.Status, body)
}

// send sends all of standard input as it comes. Whoever reads is told when it can't.
func send(ctx context.Context, socket *websocket.Conn) {
	chunk := make([]byte, chunkBytes)
	for {
		size, ended := os.Stdin.Read(chunk)
		if size > 0 && socket.Write(ctx, websocket.MessageBinary, chunk[:size]) != nil {
			return
		}
		if ended != nil {
			socket.Write(ctx, websocket.MessageText, []byte("END"))
			return
		}
	}
}

// show tells whether the session is complete. What is not known here is left alone: there may be more one day.
func show(heard message) bool {
	switch {
	case heard.Type == "transcription" && heard.Text != "":
		fmt.Println(heard.Text)
	case heard.Type == "warning" || heard.Type == "error":
		fmt.Fprintf(os.Stderr, "%s: %s\n", heard.Code, heard.Message)
	}
	return heard.Type == "complete"
}
