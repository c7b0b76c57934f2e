import type { Caller } from './access.ts'
import { ModelKeyAnswer } from './answers.ts'
import type { Desk, ModelKey } from './desk.ts'
import { invalidField, Problem } from './problem.ts'
import { ModelKeyBody } from './requests.ts'
import { route, type Route } from './route.ts'

const URL = '/api/model-key'

/** Routes by which a person enters the key of the model, where the operator has set none. */
export function modelKeyRoutes(desk: Desk): readonly Route[] {
  const { engine, tools } = desk
  const isBusy = (): boolean => engine.counts().running > 0
  /** @throws Problem 403, 409 where it is not to be entered, or not now */
  const keyFor = (caller: Caller): ModelKey => {
    if (caller.clientId !== undefined || caller.userId !== undefined) throw new Problem(403, 'Not allowed', 'The key is for all users; this token is for one.')
    if (desk.enteredKey === undefined) throw new Problem(409, 'Not possible here', 'Whoever runs this service has said how the model is reached.')
    if (isBusy()) throw new Problem(409, 'Not now', 'Something is running, with the model of before. Try again when it has ended.')
    return desk.enteredKey
  }
  return [
    route({
      method: 'POST',
      url: URL,
      operationId: 'enterModelKey',
      summary: 'Enter the key of the model, where the operator has set none; it is tried first, and never shown again',
      role: 'administer',
      body: ModelKeyBody,
      answers: { 200: { about: 'It is used from here on.', schema: ModelKeyAnswer } },
      serve: async ({ body: { key }, c, caller }) => {
        const problem = await keyFor(caller).enter(key, isBusy)
        if (problem !== undefined) throw invalidField('#/key', problem)
        return c.json({ success: true, simulated: tools.simulated })
      },
    }),
    route({
      method: 'DELETE',
      url: URL,
      operationId: 'forgetModelKey',
      summary: 'Forget the key that was entered; a scripted model answers again',
      role: 'administer',
      answers: { 200: { about: 'It is forgotten.', schema: ModelKeyAnswer } },
      serve: async ({ c, caller }) => {
        await keyFor(caller).forget()
        return c.json({ success: true, simulated: tools.simulated })
      },
    }),
  ]
}
