"""Uses the gateway by the official Python client, as it is. Prints what it got as one JSON object."""

import json
import sys

from openai import OpenAI

client = OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
conversation = client.conversations.create(metadata={"topic": "sums"})
first = client.responses.create(model="default", conversation=conversation.id, input="What is 2 + 3?")
streamed = []
with client.responses.stream(model="default", conversation=conversation.id, input="And twice that?") as stream:
    for event in stream:
        streamed.append(event.type)
    final = stream.get_final_response()
background = client.responses.create(model="default", previous_response_id=final.id, input="More", background=True)
for event in client.responses.retrieve(background.id, stream=True):
    last = event
chat = client.chat.completions.create(model="default", messages=[{"role": "user", "content": "Hello"}])
chunks = client.chat.completions.create(
    model="default",
    stream=True,
    messages=[
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": chat.choices[0].message.content},
        {"role": "user", "content": "Again"},
    ],
)
items = client.conversations.items.list(conversation.id, order="asc")
print(
    json.dumps(
        {
            "first": [first.status, first.output_text],
            "streamed": streamed,
            "final": [final.status, final.output_text],
            "background": [background.status, last.type, last.response.output_text],
            "chat": chat.choices[0].message.content,
            "chunks": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
            "items": [[item.role, item.content[0].text] for item in items],
            "metadata": client.conversations.retrieve(conversation.id).metadata,
            "models": [model.id for model in client.models.list()],
        }
    )
)
