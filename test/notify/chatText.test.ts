import { expect, it } from "vitest";
import { chatText } from "../../src/notify/chatText.ts";

it.each(["@here", "x@here", "_@here", "-@channel", ".@all", "%@everyone", "9@here.", "ops@here.example.org"])(
  "%s notifies nobody, although a chat looks behind letters and punctuation",
  (text) => {
    expect(chatText(text)).toBe(text.replace("@", "＠"));
  },
);

it.each(["ops@example.org", "first.last+tls@mail.example.org"])("the mail address %s stays", (text) => {
  expect(chatText(text)).toBe(text);
});
