import { useState } from 'preact/hooks'

interface Props {
  name: string
  price: number
}

/** Counts loaves to put aside, in the visitor's browser. */
export default function Basket({ name, price }: Props) {
  const [count, setCount] = useState(0)
  return (
    <p>
      <button type="button" onClick={() => setCount(count + 1)}>
        Put a {name} aside
      </button>{' '}
      {count > 0 && (
        <span>
          {count} put aside, €{(count * price).toFixed(2)}
        </span>
      )}
    </p>
  )
}
